"""The switch from the failed release to the target, and what must be so around it."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from runbook.host_files import FOLDER
from runbook.release import Release
from runbook.sentence import Change, Expectation, Seen
from runbook.toolbox import Toolbox

_GIB = 1 << 30


def project_running(tools: Toolbox) -> Expectation:
    """That the Compose project is up, from the folder that the settings name, with a container for each service."""

    def look() -> Seen:
        containers = tools.production.of_services(tools.settings.project.services)
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
        keeps_owner = user in ("0", env_file.owner)
        seen = f"user {user}, env file of {env_file.owner}, {folder} {'writable' if writable else 'NOT writable'}"
        return Seen(writable and ours and keeps_owner, seen if ours else f"{seen}, {notes} NOT writable")

    return Expectation(
        "an env file that this user can replace without changing its owner", look, "run this as the user who deploys"
    )


def tag_in_env_file(tools: Toolbox) -> Expectation:
    """That the env file sets the tag, and that Compose takes every rolled-back service's image from it."""
    variable = tools.settings.project.tag_variable

    def look() -> Seen:
        tag = tools.env_file.read().value_of(variable)
        images = tools.production.images_with_tag(tag)
        own = tools.production.images_with_tag()
        # Compose reads the file by rules of its own: what it makes of it is what counts.
        same = own == images
        return Seen(same, f"{variable}={tag}; Compose would start {', '.join(map(str, own.values()))}")

    return Expectation(f"{variable} of the env file to decide which release runs", look, "name the tag in the env file")


def bringing_up(tools: Toolbox, release: Release) -> Change:
    """The change that recreates the services on the target and on nothing else; done already when they run it."""
    production = tools.production
    anew = production.half_replaced(release.digests)

    def already() -> str | None:
        if anew:
            return None
        images = {service: production.image_id(release.pinned(service)) for service in release.digests}
        hashes = production.config_hashes()
        containers = production.of_services(release.digests)
        so = all(
            container.state == "running"
            and container.image_id == images[container.service]
            and container.config_hash == hashes.get(container.service)
            for container in containers
        )
        return f"{', '.join(container.name for container in containers)} run {release.tag} already" if so else None

    services = ", ".join(release.digests)
    return Change(
        f"{services} are brought up on {release.tag}", (production.bringing_up(release.digests, anew=anew),), already
    )


def others_kept(tools: Toolbox, before: Sequence[Mapping[str, Any]], changed_services: Sequence[str]) -> Expectation:
    """That the services which were not to be changed have the containers that they had, without a restart since."""
    rolled_back = set(changed_services)

    def look() -> Seen:
        was = {str(item["id"]): item for item in before if item["service"] not in rolled_back}
        now = {c.id: c for c in tools.production.containers() if c.service not in rolled_back}
        changed = [str(item["name"]) for key, item in was.items() if key not in now]
        changed += [container.name for key, container in now.items() if key not in was]
        calm = [key for key in was.keys() & now.keys() if was[key]["restarts"] == 0]
        changed += [now[key].name for key in calm if now[key].restarts]
        kept = ", ".join(sorted(container.name for container in now.values())) or "none"
        return Seen(
            not changed,
            f"changed: {', '.join(sorted(set(changed)))}" if changed else f"the same containers as before: {kept}",
        )

    return Expectation(
        "the containers of all other services kept",
        look,
        "somebody or something else changed them: find out first",
    )


def files_agree_with_containers(tools: Toolbox) -> Expectation:
    """That a plain `docker compose up -d`, or the next reboot, would change nothing: files and containers agree."""

    def look() -> Seen:
        hashes = tools.production.config_hashes()
        containers = tools.production.running()
        apart = [c.name for c in containers if hashes.get(c.service) != c.config_hash]
        return Seen(
            not apart,
            f"made with other settings than the files give: {', '.join(apart)}"
            if apart
            else f"{len(containers)} containers are as the files say",
        )

    return Expectation(
        "the files to describe what runs, so that the next `docker compose up` changes nothing",
        look,
        "run `docker compose up -d --dry-run` and look at what it would change",
    )
