"""Checks of the Compose files before traffic is paused: production was made from them, and what else would change."""

from collections.abc import Collection, Iterable, Sequence
from functools import partial

from runbook.actions import Check, Observation
from runbook.chapters.configuration.restored import as_it_will_be, reading_env_file, to_restore
from runbook.chapters.context import Context
from runbook.errors import Inconclusive
from runbook.incident.production_facts import Together
from runbook.production.containers import Container, counts
from runbook.production.coupling import changed_definitions, restarted_with
from runbook.production.dry_run import NOT_SET
from runbook.production.invocation import DEFAULT_ENV_FILE, absolute_path
from runbook.release import Release


def files_known(context: Context) -> Check:
    """Check that Compose is called with the files and env files from which the containers were created.

    Compose must also find every variable. A variable that was already missing when the containers were created is
    reported, and does not fail the check.
    """

    def observe() -> Observation:
        production = context.production
        ours = [each for each in production.running() if each.service in context.settings.project.services]
        wrong, told = _files(context, ours)
        if not wrong:
            missing = [warning for warning in production.warnings() if NOT_SET in warning]
            changed = _changed(context, ours) if missing else []
            if changed:
                wrong += [*missing, f"with these files Compose would recreate {', '.join(changed)}"]
            told += [f"{warning} This was so when the containers were created" for warning in missing if not changed]
        call = production.invocation
        files, env_files = ", ".join(call.files), ", ".join(call.env_files)
        profiles = f", profiles {', '.join(call.profiles)}" if call.profiles else ""
        return Observation(not wrong, "; ".join(wrong) or "; ".join([f"{files} with {env_files}{profiles}", *told]))

    return Check(
        "Compose called with the files that production was started with, and no variable missing",
        observe,
        "name the right files as project.compose_files and project.env_file in the settings, and set what is missing",
    )


def _files(context: Context, ours: Sequence[Container]) -> tuple[list[str], list[str]]:
    """Return what is wrong with the files and env files, and what is only reported."""
    project, call = context.settings.project, context.production.invocation
    wrong: list[str] = []
    told: list[str] = []
    used = tuple(absolute_path(project, path) for path in call.files)
    made_from = {each.name: each.config_files for each in ours if each.config_files}
    gone = _gone(context, {path for files in made_from.values() for path in files})
    others = {name: files for name, files in made_from.items() if not _same(context, files, used)}
    # The files of the call may still give exactly the containers that run.
    changed = _changed_or_unknown(context, ours) if others else []
    for name, files in others.items():
        word = f"{name} was created from {', '.join(files)}, but Compose is called with {', '.join(used)}"
        lost = sorted(gone.intersection(files))
        word += f"; missing now: {', '.join(lost)}" if lost else ""
        if name not in changed:
            told.append(f"{word}; both give the same container")
        else:
            (told if lost and project.compose_files else wrong).append(word)
    wrong += [f"{path} does not exist" for path in sorted(_gone(context, used))]
    own, default = absolute_path(project, project.env_file), absolute_path(project, DEFAULT_ENV_FILE)
    env_files = tuple(absolute_path(project, path) for path in call.env_files)
    for each in ours:
        # Without the --env-file option Compose writes no label and reads the default file.
        named = each.env_files or ((default,) if each.directory and own == default else env_files)
        if not set(named) <= set(env_files) and not _same(context, named, env_files):
            wrong.append(
                f"{each.name} was created with {', '.join(named)}, but Compose is called with {', '.join(env_files)}"
            )
    wrong += [f"{path} does not exist" for path in sorted(_gone(context, env_files))]
    return wrong, told


def _gone(context: Context, paths: Iterable[str]) -> set[str]:
    wanted = set(paths)
    return wanted.difference(context.production.existing(wanted))


def _same(context: Context, some: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether these are the same files after all links are resolved."""
    if list(some) == list(others):
        return True
    real = [
        context.host.check(context.production.command("readlink", "--canonicalize-missing", "--", *paths)).text
        for paths in (some, others)
        if paths
    ]
    return len(real) == 2 and real[0] == real[1]


def _changed(context: Context, ours: Sequence[Container]) -> list[str]:
    production = context.production
    tags = {production.tag_of(each) for each in ours if each.service in production.rolled_back}
    there = counts(production.containers())
    differences = production.pending_changes(there, tags.pop() if len(tags) == 1 else None).differences
    return [each.name for each in ours if each.name in differences and each.service in production.rolled_back]


def _changed_or_unknown(context: Context, ours: Sequence[Container]) -> list[str]:
    """Return `_changed`, or all of `ours` if Compose does not report it: what is unknown stops the plan."""
    try:
        return _changed(context, ours)
    except Inconclusive:
        return [each.name for each in ours]


def note_what_follows(context: Context, release: Release) -> Check:
    """Record which services follow the application, and what differed from the files before the first change.

    Existing differences are not counted against the rollback later.
    """
    incident = context.incident

    def observe() -> Observation:
        found = incident.facts.together
        if found and incident.changes_made:
            incident.confirm("together")
        else:
            found = incident.ahead.found(what_follows, partial(what_follows, context, release))
            incident.record_fact("together", found)
        told = [f"{name} shares {shared}, and is recreated with it" for name, shared in found.recreated.items()]
        told += found.left.values()
        told += [
            f"{name} is not touched, but with the restored configuration the next full `up` would have it {effect}"
            for name, effect in found.restored.items()
        ]
        differed = [f"{name} would be {effect}" for name, effect in found.differed.items()]
        if differed:
            told.append(f"differed from the files before the incident: {', '.join(differed)}")
        told += [f"unknown whether the other services differ: {why}" for why in found.unknown.values()]
        return Observation(
            ok=True, seen="; ".join(told) or "no other service follows the application, and nothing differed before"
        )

    return Check("all services that follow the application", observe, "")


def what_follows(context: Context, release: Release) -> Together:
    """Return what follows the application or would not stay as it is, from Compose and its files now."""
    production, variable = context.production, context.settings.project.tag_variable
    tag, changed = _one_tag(context), production.rolled_back
    now, then = production.services(tag), production.services(release.tag)
    there = {each.service for each in production.containers()}
    recreated = production.sharing_with(changed)
    kept = there - {*changed, *recreated}
    left = {}
    for name, what in changed_definitions(now, then).items():
        if name in kept and name in production.one_shots:
            left[name] = f"{name} is a one-shot: it stays on the failed release and is not run with the target"
        elif name in kept and "image" in what.split(", "):
            left[name] = f"{name} follows {variable} but stays on the failed release: add it to project.services"
        elif name in kept:
            left[name] = f"{name} is not touched, although its {what} follows {variable}"
    for name in restarted_with(now, changed):
        if name in kept and name not in left:
            left[name] = f"{name} should restart with {', '.join(changed)} (depends_on), but keeps running"
    pending = production.pending_changes(_counts(context), tag)
    differed = {name: str(effect) for name, effect in sorted(pending.differences.items())}
    differed |= dict.fromkeys(pending.removes, "removed")
    restored = _restored(context, release, {*changed, *recreated}, differed)
    found = Together(recreated=recreated, left=left, differed=differed, restored=restored)
    return found.model_copy(update={"unknown": {"others": pending.unknown}}) if pending.unknown else found


def _restored(context: Context, release: Release, ours: Collection[str], differed: Collection[str]) -> dict[str, str]:
    """Return other services' containers that will differ after the target's configuration is restored, if it is."""
    if to_restore(context) is None:
        return {}
    services = {each.name: each.service for each in context.production.containers()}
    reading = reading_env_file(context)
    found = {name: "recreated" for name, service in services.items() if service in reading}
    pending = as_it_will_be(context).pending_changes(_counts(context), release.tag)
    found |= {name: str(effect) for name, effect in pending.differences.items()} | dict.fromkeys(
        pending.removes, "removed"
    )
    return {
        name: effect
        for name, effect in sorted(found.items())
        if services.get(name) not in ours and name not in differed
    }


def switchable(context: Context, release: Release) -> Check:
    """Check by Compose's dry run that the `up` that will bring up the target changes only the application."""

    def observe() -> Observation:
        production = as_it_will_be(context)
        services = {each.name: each.service for each in production.running()}
        hanging = production.sharing_with(production.rolled_back)
        ours = {*production.rolled_back, *hanging}
        ups = production.switch_commands(production.rolled_back, _counts(context))
        would = [production.dry_run(production.with_tag(release.tag, up)) for up in ups]
        effects = {name: effect for each in would for name, effect in each.differences.items()}
        wrong = [
            f"{name} would be {effect}"
            for name, effect in sorted(effects.items())
            if services.get(name, next(iter(ours))) not in ours
        ]
        wrong += [f"{name} would be removed and recreated" for each in would for name in each.removes]
        files = production.services(release.tag)
        for name in hanging:
            image = str(files[name].get("image") or f"{context.settings.project.name}-{name}")
            if production.image_id(image) is None:
                wrong.append(f"{name} is recreated, but its image {image} is not on the host")
        changes = ", ".join(f"{name} {effect}" for name, effect in sorted(effects.items())) or "nothing"
        return Observation(not wrong, "; ".join(wrong) or f"Compose would change: {changes}", final=True)

    return Check(
        f"only the application changed by bringing up {release.tag}",
        observe,
        "make production match its files first; to see the differences:"
        f" {context.production.compose('up', '-d', '--dry-run')}",
    )


def _counts(context: Context) -> dict[str, int]:
    return counts(context.incident.facts.seen_before.containers)


def _one_tag(context: Context) -> str | None:
    """Return the tag that ran before the incident, if it was a single one other than the env file's; otherwise None."""
    tags = context.incident.facts.seen_before.tags
    return tags[0] if len(tags) == 1 and tags[0] != context.production.tag() else None
