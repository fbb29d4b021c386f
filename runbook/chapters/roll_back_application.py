"""The switch from the failed release to the target, and what must be so around it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from runbook.actions import Change, Expectation, Seen
from runbook.chapters.context import Toolbox
from runbook.errors import EnvFileError
from runbook.production.compose import FOLDER
from runbook.production.containers import Container, counts
from runbook.production.invocation import place
from runbook.release import PROBE, Release

_GIB = 1 << 30


def project_running(tools: Toolbox) -> Expectation:
    """That the Compose project is up, from the folder that the settings name, with a container for each service."""

    def look() -> Seen:
        containers = tools.production.application()
        return Seen(ok=True, seen="; ".join(container.one_line for container in containers))

    return Expectation(
        f"the Compose project {tools.settings.project.name} up on its host",
        look,
        "bring the project up first",
    )


def room_on_host(tools: Toolbox) -> Expectation:
    """That the disks of the project and of the engine have `host.minimum_free_gib` free."""
    wanted = tools.settings.host.minimum_free_gib

    def look() -> Seen:
        free = tools.production.free_bytes()
        short = any(size < wanted * _GIB for size in free.values())
        return Seen(not short, ", ".join(f"{size / _GIB:.1f} GiB free for {place}" for place, size in free.items()))

    return Expectation(
        f"at least {wanted:g} GiB free on the production host",
        look,
        "make room (`docker image prune` takes images that nothing uses), or lower host.minimum_free_gib",
    )


def replaceable_env_file(tools: Toolbox) -> Expectation:
    """That the env file can be replaced by this user, and would keep its owner: found out before users are kept out."""

    def look() -> Seen:
        env_file = tools.env_file.read()
        folder = str(PurePosixPath(env_file.path).parent)
        user = tools.host.check(tools.production.command("id", "-u")).text.strip()
        writable = tools.host.run(tools.production.command("test", "-w", folder)).exit_code == 0
        notes = f"{tools.production.directory}/{FOLDER}"
        there = tools.host.run(tools.production.command("test", "-e", notes)).exit_code == 0
        ours = not there or tools.host.run(tools.production.command("test", "-w", notes)).exit_code == 0
        linked = tools.host.run(tools.production.command("test", "-L", notes)).exit_code == 0
        keeps_owner = user in ("0", env_file.owner)
        seen = f"user {user}, env file of {env_file.owner}, {folder} {'writable' if writable else 'NOT writable'}"
        seen += "" if ours else f", {notes} NOT writable"
        seen += f", {notes} is a LINK, through which no copy is written" if linked else ""
        return Seen(writable and ours and keeps_owner and not linked, seen)

    return Expectation(
        "an env file that this user can replace without changing its owner", look, "run this as the user who deploys"
    )


def tag_in_env_file(tools: Toolbox) -> Expectation:
    """That the env file sets the tag, and that Compose takes every rolled-back service's image from it."""
    variable = tools.settings.project.tag_variable

    def look() -> Seen:
        env_file = tools.env_file.read()
        env_file.value_of(variable)
        tag = tools.production.tag()
        images = tools.production.images_with_tag()
        try:
            tools.env_file.changed(env_file, variable, PROBE)
        except EnvFileError as error:
            return Seen(ok=False, seen=f"{error.seen}{_who_sets(tools)}")
        return Seen(ok=True, seen=f"{variable}={tag}; Compose would start {', '.join(map(str, images.values()))}")

    return Expectation(
        f"{variable} of the env file to decide which release runs",
        look,
        f"let {tools.settings.project.env_file} be the only file that sets {variable}",
    )


def _who_sets(tools: Toolbox) -> str:
    variable, own = tools.settings.project.tag_variable, tools.env_file.path
    places = [place(tools.settings.project, path) for path in tools.production.invocation.env_files]
    others = [path for path in places if path != own and variable in tools.env_file.at(path, alone=True).read().values]
    return f", because {', '.join(others)} sets it as well" if others else ""


def bringing_up(tools: Toolbox, release: Release) -> Change:
    """The change that recreates the services on the target and on nothing else; done already when they run it.

    What shares a namespace with one of them is recreated with it, and a scaled service keeps its number.
    """
    production, services = tools.production, tools.production.rolled_back
    anew = production.half_replaced(services)
    ups = production.switching(services, counts(tools.incident.facts["before"]["containers"]), anew=anew)

    def already() -> str | None:
        if anew:
            return None
        images = {service: production.image_id(release.pinned(service)) for service in services}
        containers = production.application()
        on_target = all(container.image_id == images[container.service] for container in containers)
        if not (on_target and production.settled(services, ups)):
            return None
        return f"{', '.join(container.name for container in containers)} run {release.tag} already"

    return Change(f"{', '.join(services)} are brought up on {release.tag}", ups, already)


def others_kept(tools: Toolbox, before: Sequence[Mapping[str, Any]], changed_services: Sequence[str]) -> Expectation:
    """That the services which were not to be changed have the containers that they had, without a restart since.

    And that those which were changed have as many as before, and what shares a namespace with them still does.
    """

    def look() -> Seen:
        containers = tools.production.containers()
        hanging = tools.production.hanging_on(changed_services)
        switched = {*changed_services, *hanging} - tools.production.one_shots
        was = {str(item["id"]): item for item in before if item["service"] not in switched}
        now = {c.id: c for c in containers if c.service not in switched}
        changed = [str(item["name"]) for key, item in was.items() if key not in now]
        changed += [container.name for key, container in now.items() if key not in was]
        calm = [key for key in was.keys() & now.keys() if was[key]["restarts"] == 0]
        changed += [now[key].name for key in calm if now[key].restarts]
        kept = ", ".join(sorted(container.name for container in now.values())) or "none"
        wrong = [f"changed: {', '.join(sorted(set(changed)))}"] if changed else []
        wrong += _apart([each for each in containers if each.service in hanging], {each.id for each in containers})
        wrong += _other_counts(before, containers, switched)
        return Seen(not wrong, "; ".join(wrong) or f"the same containers as before: {kept}")

    return Expectation(
        "the containers of all other services kept, and as many of those that were changed as before",
        look,
        "somebody or something else changed them: find out first",
    )


def _apart(hanging: Sequence[Container], ids: Collection[str]) -> list[str]:
    lost = [each.name for each in hanging if not set(each.joined) <= set(ids)]
    down = [each.one_line for each in hanging if each.state != "running"]
    return [f"{name} shares a namespace with a container that is gone" for name in lost] + down


def _other_counts(
    before: Sequence[Mapping[str, Any]], now: Sequence[Container], services: Collection[str]
) -> list[str]:
    was, there = counts(before), counts(each.facts() for each in now)
    return [
        f"{name} has {there.get(name, 0)} containers, and had {was[name]}"
        for name in sorted(services)
        if name in was and there.get(name, 0) != was[name]
    ]


def files_agree_with_containers(tools: Toolbox) -> Expectation:
    """That a `docker compose up -d`, or the next reboot, would change nothing that was brought up, as Compose says.

    Of the other services, what chapter 1 has found to differ before, and what follows the tag, is no news.
    """

    def look() -> Seen:
        facts = tools.incident.facts
        production, known = tools.production, facts.get("together", {"differed": {}, "left": {}})
        services = {each.name: each.service for each in production.running()}
        ours = {*production.rolled_back, *production.hanging_on(production.rolled_back)}
        pending = production.pending(counts(facts["before"]["containers"]) if "before" in facts else {})
        apart = {
            name: effect
            for name, effect in pending.differences.items()
            if services.get(name) in ours or (name not in known["differed"] and services.get(name) not in known["left"])
        }
        wrong = [f"{name} would be {effect}" for name, effect in sorted(apart.items())]
        wrong += [f"{name} would be removed" for name in pending.removes if name not in known["differed"]]
        as_said = f"{len(services)} containers are as the files say"
        if pending.unknown:
            as_said = f"{', '.join(sorted(ours))} are as the files say; the others are not known: {pending.unknown}"
        return Seen(not wrong, "; ".join(wrong) or as_said)

    return Expectation(
        "the files to describe what runs, so that the next `docker compose up` changes nothing",
        look,
        f"look at what it would change: type {tools.production.compose('up', '-d', '--dry-run')}",
    )
