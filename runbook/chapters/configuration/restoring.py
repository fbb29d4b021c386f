"""Restoring the configuration with which the target was validated: decided in the plan, done with the tag."""

import posixpath

from runbook.actions import Check, Question, recorded
from runbook.chapters.configuration.compose_text import named_in
from runbook.chapters.configuration.keeping import configuration_now, shown_variables
from runbook.chapters.configuration.restored import copy_of, kept_env_file, with_copies, with_tag_and_switches
from runbook.chapters.context import Context
from runbook.errors import EnvFileError, Inconclusive, ProductionError, RunbookError, TargetError
from runbook.incident.production_facts import ConfigurationToRestore, FileToRestore
from runbook.production.configuration import Difference, Part, configuration_with
from runbook.production.docker_engine import FOLDER
from runbook.production.env_file import EnvFile
from runbook.production.invocation import absolute_path
from runbook.release import Release
from runbook.shared_state.release_snapshot import ReleaseSnapshot

_OPTION = "--with-configuration"
_ALONE = f"roll back only the images: leave {_OPTION} out"
#: The number of names that fit on a terminal line. The record has them all.
_SHOWN = 6


def decide(context: Context, release: Release) -> Check:
    """Decide the target's configuration: as it is now, or, on request, as it was validated.

    Obstacles to restoring it are found here, before traffic is paused.
    """
    return recorded("a decision on the target's configuration", lambda: _decide(context, release))


def _decide(context: Context, release: Release) -> str:
    incident, asked = context.incident, context.options.with_configuration
    known = incident.facts.configuration_to_restore
    if incident.changes_made and known:
        incident.confirm("configuration to restore")
        return _in_words(known)
    if not asked:
        drift = incident.facts.configuration_drift
        differs = drift is not None and not drift.unknown and drift.differences
        return f"only the images are rolled back{f'; {_OPTION} also restores the configuration' if differs else ''}"
    if incident.changes_made:
        raise TargetError(f"this incident began without {_OPTION} and has already changed production", _ALONE)
    try:
        found = _looked_at(context, release)
    except RunbookError as error:
        raise type(error)(
            f"the configuration of {release.tag} cannot be restored: {error.seen}", error.next_step
        ) from None
    incident.record_fact("configuration to restore", found)
    question = f"Is the configuration of {release.tag} at its validation restored?"
    evidence = [_in_words(found), *(f"still differs: {each.key} ({each.how})" for each in found.remaining)]
    incident.record_decision(Question.CONFIGURATION, question, "yes", evidence, option=(_OPTION,))
    return _in_words(found)


def _looked_at(context: Context, release: Release) -> ConfigurationToRestore:
    kept = context.ledger.snapshot(release)
    if not kept.env_file:
        why = f": {kept.copies_unknown}" if kept.copies_unknown else ""
        raise Inconclusive(f"no copies of its files were kept at its validation{why}", _ALONE)
    now = {path: value.text for path, value in configuration_now(context, release)[Part.FILES].items()}
    if now.keys() != kept.files.keys():
        then, today = (", ".join(sorted(files)) or "none" for files in (kept.files, now))
        raise ProductionError(
            f"it was validated with the Compose files {then}, but Compose is now called with {today}",
            f"set project.compose_files to the former files, or {_ALONE}",
        )
    for path in sorted(kept.files):
        content = context.ledger.copies.read(kept.files[path])
        if now[path] != kept.files[path]:
            _check_whole(context, path, content, {each for each in now if now[each] == kept.files[each]})
    changed = [path for path in sorted(now) if now[path] != kept.files[path]]
    files = [_to_restore(context, number, path, now[path]) for number, path in enumerate(changed, start=1)]
    variables, left = _values_to_restore(context, release, kept)
    if variables:
        own = context.env_file.read()
        path = context.settings.project.env_file
        files.append(FileToRestore(path=path, place=own.path, was=own.fingerprint, kept=kept_env_file(context)))
    found = ConfigurationToRestore(
        tag=release.tag,
        validated_at=kept.taken_at,
        compose_files=kept.files,
        env_file=kept.env_file,
        files=tuple(files),
        variables=variables,
        left=left,
    )
    return found.model_copy(update={"remaining": tuple(_remaining(context, release, kept, found))})


def _check_whole(context: Context, path: str, content: bytes, unchanged: set[str]) -> None:
    """Raise ProductionError when a file to restore includes files that have no kept copy, or that differ now."""
    project = context.settings.project
    there = {absolute_path(project, each) for each in unchanged}
    missing = [each for each in named_in(path, content).parts if absolute_path(project, each) not in there]
    if missing:
        raise ProductionError(
            f"the former {path} includes or extends {', '.join(missing)}, which has no kept copy or has changed since",
            f"restore the files by hand, or {_ALONE}",
        )


def _to_restore(context: Context, number: int, path: str, sha256: str) -> FileToRestore:
    """Return the file as it is now. Raises ProductionError when this user cannot replace it."""
    production = context.production
    real = context.host.check(production.command("readlink", "-e", "--", path)).text.rstrip("\n")
    folder = posixpath.dirname(absolute_path(context.settings.project, real))
    user = context.host.check(production.command("id", "-u")).text.strip()
    owner = context.host.check(production.command("stat", "--format=%u", "--", real)).text.strip()
    writable = folder in production.files.writable([folder])
    if not writable or user not in ("0", owner):
        raise ProductionError(
            f"user {user} cannot replace {real}: its owner is user {owner}, its folder is"
            f" {'' if writable else 'NOT '}writable",
            "run this as the deploying user",
        )
    kept = f"{production.directory}/{FOLDER}/{context.incident.name}.{number}.{posixpath.basename(real)}"
    return FileToRestore(path=path, place=real, was=sha256, kept=kept)


def _values_to_restore(
    context: Context, release: Release, kept: ReleaseSnapshot
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the variables to restore, and the kill switches that stay as they are now, with their values."""
    tag_variable = context.settings.project.tag_variable
    now = context.env_file.read()
    left = _switches_left(context, now, copy_of(context, kept.env_file).read())
    before = context.env_file.values_if(now, tag_variable, release.tag)
    then = with_tag_and_switches(context, release, kept.env_file, left).values
    own = before.keys() | then.keys()
    shell = context.host.environment
    return tuple(sorted(name for name in own if name not in shell and before.get(name) != then.get(name))), left


def _switches_left(context: Context, now: EnvFile, then: EnvFile) -> dict[str, str]:
    """Return the kill switches that are in another position than then: an emergency may have turned them since.

    Raises EnvFileError when one was not set then, because the file has no place for it.
    """
    variables = {each.variable for each in context.settings.switches.values()}
    left = {
        name: now.values[name]
        for name in sorted(variables)
        if now.values.get(name) not in (None, then.values.get(name))
    }
    if lost := [name for name in left if not then.values.get(name)]:
        raise EnvFileError(
            f"the former env file does not set {', '.join(lost)}, which is a kill switch now",
            f"restore the env file by hand, or {_ALONE}",
        )
    return left


def _remaining(
    context: Context, release: Release, kept: ReleaseSnapshot, found: ConfigurationToRestore
) -> list[Difference]:
    """Return what still differs from the snapshot when Compose reads the copies.

    Raises TargetError when Compose would start other images or services.
    """
    production = with_copies(context, found)
    images = production.images_with_tag(release.tag)
    others = [str(image) for service, image in images.items() if image != release.images[service]]
    if others or images.keys() != release.images.keys():
        raise TargetError(f"with the restored files Compose starts {', '.join(others) or 'other services'}", _ALONE)
    copy = copy_of(context, found.env_file)
    rendered = configuration_with(production, copy, release.tag, shown_variables(context))[Part.RENDERED]
    return [each for each in kept.differences({Part.RENDERED: rendered}) if each.part is Part.RENDERED]


def _in_words(found: ConfigurationToRestore) -> str:
    parts = [each.path for each in found.files if each.path in found.compose_files]
    if found.variables:
        names = ", ".join(found.variables[:_SHOWN])
        more = len(found.variables) - _SHOWN
        parts.append(f"env file: {names}{f' and {more} more' if more > 0 else ''}")
    told = [f"restored to the validation of {found.tag} ({found.validated_at}): {'; '.join(parts)}"]
    if not parts:
        told = [f"Compose files and env file are unchanged since {found.tag} was validated: nothing to restore"]
    told += [f"{name} stays {value}" for name, value in found.left.items()]
    if found.remaining:
        keys = ", ".join(each.key for each in found.remaining[:_SHOWN])
        more = len(found.remaining) - _SHOWN
        told.append(f"still different: {keys}{f' and {more} more' if more > 0 else ''}")
    return "; ".join(told)
