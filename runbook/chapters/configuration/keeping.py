"""The release snapshot, taken when a release has passed its validation."""

import hashlib
from typing import NamedTuple

from runbook.chapters.context import Context
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.catalog import catalog_of
from runbook.production.configuration import Configuration, Part, configuration_with
from runbook.release import Release
from runbook.shared_state.kept_files import read_bytes
from runbook.shared_state.release_snapshot import ReleaseSnapshot


class Taken(NamedTuple):
    """The snapshot of a release, or why there is none, and the contents of the files that it names."""

    snapshot: ReleaseSnapshot | str
    copies: tuple[bytes, ...] = ()


def snapshot_of(context: Context, release: Release) -> Taken:
    """Return the snapshot of `release` as it runs now, or why there is none. The release is known good either way."""
    redacted = context.incident.journal.redactor.text  # Compose's messages may quote the env file
    catalog: list[tuple[str, ...]] | str
    try:
        configuration = configuration_now(context, release)
    except RunbookError as error:
        return Taken(redacted(error.seen))
    try:
        catalog = catalog_of(context.database)
    except RunbookError as error:
        catalog = redacted(error.seen)
    taken = ReleaseSnapshot.of(release.tag, configuration, catalog)
    try:
        env_file, copies = _copies(context, release, configuration)
    except RunbookError as error:
        return Taken(taken.model_copy(update={"copies_unknown": redacted(error.seen)}))
    return Taken(taken.model_copy(update={"env_file": env_file}), copies)


def _copies(context: Context, release: Release, configuration: Configuration) -> tuple[str, tuple[bytes, ...]]:
    """Return the env file's SHA-256, and the contents of it and of each Compose file.

    A plan takes the env file as it will be after the switch.
    """
    will_hold = {context.settings.project.tag_variable: release.tag} if context.incident.planned_changes else {}
    env_file = context.env_file.with_values(context.env_file.read(), will_hold)
    files = [_as_hashed(context, path, value.text) for path, value in configuration[Part.FILES].items()]
    return env_file.fingerprint, (env_file.content, *files)


def _as_hashed(context: Context, path: str, sha256: str) -> bytes:
    content = read_bytes(context.production, path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Inconclusive(f"{path} changed while it was being read", "validate the release again")
    return content


def configuration_now(context: Context, release: Release) -> Configuration:
    """Return the configuration with which `release` would start now. Raises RunbookError when it cannot be read."""
    return configuration_with(context.production, context.env_file, release.tag, shown_variables(context))


def shown_variables(context: Context) -> frozenset[str]:
    """Return the variables of the env file whose values are not secret: the tag and the kill switches."""
    settings = context.settings
    return frozenset((settings.project.tag_variable, *(switch.variable for switch in settings.switches.values())))
