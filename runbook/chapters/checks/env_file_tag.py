"""The target in the env file: one value changed, a copy kept, and every other byte as before."""

from runbook.actions import Change, Expectation, Kept, Seen
from runbook.chapters.context import Toolbox
from runbook.production.compose import FOLDER
from runbook.release import Release


def kept_copy(tools: Toolbox) -> str:
    """Where the env file from before the switch is kept, beside production's own state on the host."""
    return f"{tools.production.directory}/{FOLDER}/{tools.incident.name}.env"


def naming(tools: Toolbox, release: Release) -> Change:
    """The change that makes the env file name the target, and keeps a copy of it as it was."""
    variable = tools.settings.project.tag_variable
    env_file = tools.env_file.read()
    content = tools.env_file.changed(env_file, variable, release.tag)

    def already() -> str | None:
        now = tools.env_file.read().values.get(variable)
        return f"{env_file.path} says {variable}={release.tag}" if now == release.tag else None

    return Change(
        f"{env_file.path} says {variable}={release.tag} (was {env_file.values.get(variable)})",
        tools.env_file.replacing(env_file, content, kept_copy(tools)),
        already,
        leaves=(Kept(kept_copy(tools), "the env file as it was before, with its secrets"),),
    )


def named(tools: Toolbox, release: Release) -> Expectation:
    """That Compose takes the target from its files alone, and that the env file differs in that one value only."""
    variable = tools.settings.project.tag_variable

    def look() -> Seen:
        images = tools.production.images_with_tag()
        wrong = [
            f"Compose would start {image}" for service, image in images.items() if image != release.images[service]
        ]
        if wrong:
            return Seen(ok=False, seen="; ".join(wrong))
        now = tools.env_file.read()
        there = tools.host.run(tools.production.command("test", "-e", kept_copy(tools)))
        if there.exit_code == 1:
            return Seen(ok=True, seen=f"{now.path} names {release.tag}, and was not changed by this incident")
        before = tools.env_file.at(kept_copy(tools))
        same = before.changed(before.read(), variable, release.tag) == now.content
        found: dict[str, str] = tools.incident.facts["before"]["env_file"]
        kept = (found["mode"], found["owner"]) == (now.mode, f"{now.owner}:{now.group}")
        return Seen(
            same and kept,
            f"{now.path} names {release.tag}; all its other bytes are {'as before' if same else 'NOT as before'};"
            f" mode {now.mode}, owner {now.owner}:{now.group}{'' if kept else ', which was different before'}",
        )

    return Expectation(
        f"Compose to start {release.tag} from its files alone, with nothing else changed in the env file",
        look,
        f"compare the env file with {kept_copy(tools)} on the host",
    )
