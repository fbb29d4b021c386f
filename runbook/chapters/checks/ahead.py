"""What is looked at ahead: facts that need nothing of each other are asked at the same time, each before its step."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from runbook.actions import Check
from runbook.chapters import migration_facts
from runbook.chapters.checks import compose_files
from runbook.chapters.configuration import drift
from runbook.chapters.context import Context
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.migrating import schema_revisions
from runbook.chapters.target import pinned_release
from runbook.errors import RunbookError
from runbook.incident.executor import Mode
from runbook.release import Release


def gate_and_health(context: Context, meanwhile: Check) -> Check:
    """Begin to look at what chapter 1 looks at whatever the target is; `meanwhile` is what its step looks at."""
    incident = context.incident
    if incident.has_changed_nothing:
        # An execution tells people at its first turn, and opens the channel for that.
        opens = incident.mode is Mode.PLAN and context.settings.announcement
        looks = {Context.channel: context.new_channel} if opens else {}
        incident.look_ahead(_of_any_target(context), looks)
    return meanwhile


def _of_any_target(context: Context) -> Iterator[Check]:
    yield context.gate.check_consistent(context.health.is_ready)
    yield context.gate.check_commands()
    yield context.health.check_requests_fit()


def files_and_schema(context: Context, meanwhile: Check) -> Check:
    """Begin to look at what chapter 1 looks at once the host holds the target's images; `meanwhile` is as above."""
    incident = context.incident
    if not incident.has_changed_nothing:
        return meanwhile
    release = pinned_release(context)
    looks: dict[Any, Callable[[], Any]] = {drift.look: partial(drift.look, context, release)}
    checks = []
    # The application's own command would start a container, and another one of the same name is asked for the heads.
    if schema_revisions.unchecked(context) is None and not schema_revisions.is_own(context):
        looks[schema_revisions.revisions] = partial(schema_revisions.revisions, context)
        looks |= _range(context, release)
    if not context.options.with_configuration:  # which is decided before
        looks[compose_files.what_follows] = partial(compose_files.what_follows, context, release)
        checks.append(compose_files.switchable(context, release))
    incident.look_ahead(checks, looks)
    return meanwhile


def _range(context: Context, release: Release) -> dict[Any, Callable[[], Any]]:
    """What the verdict needs: what both images say, and a copy of the schema where the ledger lets expect a range."""
    if migration_facts.decided(context) or context.options.forward_fix:
        return {}
    try:
        expected = context.ledger.schema(release)
    except RunbookError:
        expected = ()
    looks = migration_facts.images_ahead(context, release, expected)
    if expected and not context.options.with_configuration:  # of which it is made, and which is decided later
        copy = SchemaCopy(context)
        context.at_end.callback(copy.end)
        looks[SchemaCopy] = partial(copy.begin, expected)
    return looks


def validation(context: Context, release: Release) -> None:
    """Begin to look at what the next steps of a validation look at, and what needs none of the others.

    Readiness is none of it: its rule is decided first. Nor are the logs: they must tell of the time of all others.
    """
    context.incident.look_ahead(_of_validation(context, release))


def _of_validation(context: Context, release: Release) -> Iterator[Check]:
    yield context.quarantine.check_not_quarantined(release.digests)
    yield context.health.check_containers_healthy()
    yield context.health.check_live()
    yield context.gate.check_serves(release.tag)
    with suppress(RunbookError):  # told by the step itself
        yield context.metrics.check_with_token()
        yield context.metrics.check_without_token()
