"""Chapter 2: the switch from the failed release to the target, and the checks around it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from runbook.actions import Action, ActionName, Artifact, Check, Observation
from runbook.chapters.configuration import restored
from runbook.chapters.context import Context
from runbook.chapters.target import pinned_release
from runbook.incident.production_facts import ContainerFact, Together
from runbook.production.containers import Container, counts
from runbook.production.switchover.decision import SwitchMode
from runbook.release import Release
from runbook.text import counted


def numbers_before(context: Context) -> dict[str, int]:
    """Return how many containers each service had before any change of this incident or of the one it continues."""
    facts = context.incident.facts
    found = counts(facts.seen_before.containers)
    return found | (facts.switchover.numbers if facts.switchover else {})


def bringing_up(context: Context, release: Release, only: Sequence[str] | None = None) -> Action:
    """Recreate the services on the target, and touch no other service. It is done already when they run the target.

    Services that share a namespace with one of them are recreated too. A scaled service keeps its number of containers.
    With `only`, only these services are recreated.
    """
    production = context.production
    services = production.rolled_back if only is None else tuple(only)
    anew = production.has_temporary_name(services)
    ups = production.switch_commands(services, numbers_before(context), anew=anew)

    def already() -> str | None:
        if anew:
            return None
        images = {service: production.image_id(release.pinned(service)) for service in services}
        containers = production.of_services(services)
        on_target = all(container.image_id == images[container.service] for container in containers)
        if not (on_target and production.is_settled(services, ups)):
            return None
        return f"{', '.join(container.name for container in containers)} already run {release.tag}"

    names = ", ".join(services)
    summary = f"{names} are brought up on {release.tag}"
    return Action(ActionName.BRING_UP, summary, ups, already, resource=names, new=release.tag)


def others_kept(
    context: Context,
    before: Sequence[ContainerFact],
    changed_services: Sequence[str],
    numbers: Mapping[str, int] | None = None,
) -> Check:
    """Check that all services except `changed_services` kept their containers, and that these have not restarted.

    A container that had restarted before may restart again. The changed services must have as many containers as
    before, or as in `numbers`, and services that share a namespace with them must still share it.
    """

    def observe() -> Observation:
        containers = context.production.containers()
        hanging = context.production.sharing_with(changed_services)
        switched = {*changed_services, *hanging} - context.production.one_shots
        was = {item.id: item for item in before if item.service not in switched}
        now = {c.id: c for c in containers if c.service not in switched}
        changed = [item.name for key, item in was.items() if key not in now]
        changed += [container.name for key, container in now.items() if key not in was]
        calm = [key for key in was.keys() & now.keys() if was[key].restarts == 0]
        changed += [now[key].name for key in calm if now[key].restarts]
        kept = ", ".join(sorted(container.name for container in now.values())) or "none"
        wrong = [f"changed: {', '.join(sorted(set(changed)))}"] if changed else []
        wrong += _apart([each for each in containers if each.service in hanging], {each.id for each in containers})
        wrong += _other_counts(counts(before) if numbers is None else numbers, containers, switched)
        return Observation(not wrong, "; ".join(wrong) or f"the same containers as before: {kept}")

    return Check(
        "all other services' containers unchanged, and the same number of containers as before",
        observe,
        "something else changed them: find out what before you continue",
    )


def application_alone(context: Context) -> Check:
    """Check the same for a rollback: only project.services changed since this incident's first look."""
    before = context.incident.facts.seen_before.containers
    return others_kept(context, before, context.settings.project.services, numbers_before(context))


def _apart(hanging: Sequence[Container], ids: Collection[str]) -> list[str]:
    lost = [each.name for each in hanging if not set(each.joined) <= set(ids)]
    down = [each.one_line for each in hanging if each.state != "running"]
    return [f"{name} shares a namespace with a container that is gone" for name in lost] + down


def _other_counts(was: Mapping[str, int], now: Sequence[Container], services: Collection[str]) -> list[str]:
    there = counts(now)
    return [
        f"{name} has {counted(there.get(name, 0), 'container')}, but had {was[name]}"
        for name in sorted(services)
        if name in was and there.get(name, 0) != was[name]
    ]


def files_agree_with_containers(context: Context) -> Check:
    """Check by Compose's dry run that `docker compose up -d` or a reboot would change nothing that was brought up.

    In the other services, differences that chapter 1 found, and services that follow the tag, are ignored.
    """

    def observe() -> Observation:
        facts = context.incident.facts
        production, known = context.production, facts.together or Together()
        services = {each.name: each.service for each in production.running()}
        ours = {*production.rolled_back, *production.sharing_with(production.rolled_back)}
        pending = production.pending_changes(numbers_before(context) if facts.before else {})
        apart = {
            name: effect
            for name, effect in pending.differences.items()
            if services.get(name) in ours
            or (name not in {*known.differed, *known.restored} and services.get(name) not in known.left)
        }
        wrong = [f"{name} would be {effect}" for name, effect in sorted(apart.items())]
        wrong += [f"{name} would be removed" for name in pending.removes if name not in known.differed]
        as_said = f"{counted(len(services), 'container matches', 'containers match')} the files"
        if pending.unknown:
            as_said = f"{', '.join(sorted(ours))} match the files; the others are unknown: {pending.unknown}"
        return Observation(not wrong, "; ".join(wrong) or as_said)

    return Check(
        "the running containers to match the files, so that the next `docker compose up` changes nothing",
        observe,
        f"to see what it would change: {context.production.compose('up', '-d', '--dry-run')}",
    )


def failed_digests_known(context: Context) -> Check:
    """Show the recorded digests of the failed release. Passes without any: the release is replaced in any case."""
    failed = _failed_digests(context)
    shown = ", ".join(f"{service} {digest}" for service, digest in failed.items())
    nothing = "no digest other than the target's: it already ran, or the failed images have no registry digest"
    return Check("the failed release's digests", lambda: Observation(ok=True, seen=shown or nothing), "")


def quarantine_failed(context: Context) -> Action:
    """Put the failed release's digests in quarantine, and record them."""
    incident, digests = context.incident, _failed_digests(context)
    tag = ", ".join(incident.facts.failed.tags)

    def record() -> None:
        if digests:
            incident.record_fact("quarantined", context.quarantine.entries(digests))

    return replace(context.quarantine.add(digests, tag, incident.name), record=record)


def failed_in_quarantine(context: Context) -> Check:
    """Check that the failed release is in quarantine."""
    return context.quarantine.check_quarantined(_failed_digests(context))


def opening_incident(context: Context) -> Action:
    """Write the note of the open rollback on the host: the failed release and the target."""
    facts = context.incident.facts
    earlier = context.open_rollback.for_running_tags(facts.seen_before.tags)
    failed = facts.failed.model_dump(mode="json")
    switch, target = facts.switchover, pinned_release(context).tag
    beside = switch.numbers if switch and switch.mode is SwitchMode.BESIDE else None
    return context.open_rollback.open(context.incident.name, failed, target, earlier, beside)


def _failed_digests(context: Context) -> dict[str, str]:
    target = set(pinned_release(context).digests.values())
    failed = context.incident.facts.failed.digests
    return {s: d for s, d in failed.items() if d.startswith("sha256:") and d not in target}


def naming(context: Context, release: Release) -> Action:
    """Set the target's tag in the env file, and keep a copy of the file from before.

    If the target's configuration is restored, the Compose files and the other values are replaced too.
    """
    variable = context.settings.project.tag_variable
    env_file, files = context.env_file.read(), restored.files_not_in_place(context)
    whole = restored.restored_env_file(context, release)
    content = whole or context.env_file.with_value(env_file, variable, release.tag)
    first = restored.putting_in_place(context, files)

    def already() -> str | None:
        now = context.env_file.read()
        named = now.content == whole if whole else now.values.get(variable) == release.tag
        return f"{now.path} says {variable}={release.tag}" if named and not files else None

    back = [f"{each.path} is" for each in files] + [f"all of {env_file.path} is"] * (whole is not None)
    said = f"{env_file.path} says {variable}={release.tag} (was {env_file.values.get(variable)})"
    replaced = context.env_file.replace_commands(env_file, content, restored.kept_env_file(context))
    return Action(
        ActionName.SET_IMAGE_TAG,
        "; ".join([said, *(f"{each} as when {release.tag} was validated" for each in back)]),
        (*first, *(replaced if content != env_file.content else ())),
        already,
        leaves=(
            *restored.kept_files(context),
            Artifact(restored.kept_env_file(context), "the env file from before, with its secrets"),
        ),
        resource=env_file.path,
        variable=variable,
        old=env_file.values.get(variable),
        new=release.tag,
    )


def named(context: Context, release: Release) -> Check:
    """Check that Compose would start the target from its files, and that nothing else changed in the env file."""
    variable = context.settings.project.tag_variable

    def observe() -> Observation:
        images = context.production.images_with_tag()
        wrong = [
            f"Compose would start {image}" for service, image in images.items() if image != release.images[service]
        ]
        if wrong:
            return Observation(ok=False, seen="; ".join(wrong))
        now = context.env_file.read()
        if not context.production.existing([restored.kept_env_file(context)]):
            return Observation(ok=True, seen=f"{now.path} names {release.tag}; this incident did not change it")
        before = context.env_file.at(restored.kept_env_file(context))
        whole = restored.restored_env_file(context, release)
        same = (whole or before.with_value(before.read(), variable, release.tag)) == now.content
        found = context.incident.facts.seen_before.env_file
        kept = (found["mode"], found["owner"]) == (now.mode, f"{now.owner}:{now.group}")
        return Observation(
            same and kept,
            f"{now.path} names {release.tag}; all its other bytes are {'' if same else 'NOT '}"
            f"{f'as when {release.tag} was validated' if whole else 'as before'};"
            f" mode {now.mode}, owner {now.owner}:{now.group}{'' if kept else ', which has changed'}",
        )

    return Check(
        f"Compose to start {release.tag} from its files, with nothing else changed in the env file",
        observe,
        f"compare the env file with {restored.kept_env_file(context)} on the host",
    )
