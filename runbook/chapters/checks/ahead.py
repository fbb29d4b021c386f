"""Looks ahead: facts that do not depend on each other are read at the same time, before the steps that need them."""

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
    """Begin the looks of chapter 1 that do not depend on the target, and return `meanwhile`, the step's check."""
    incident = context.incident
    if incident.has_changed_nothing:
        # An execution opens the channel anyway, for its first message.
        opens = incident.mode is Mode.PLAN and context.settings.announcement
        looks = {Context.channel: context.new_channel} if opens else {}
        incident.look_ahead(_of_any_target(context), looks)
    return meanwhile


def _of_any_target(context: Context) -> Iterator[Check]:
    yield context.gate.check_consistent(context.health.is_ready)
    yield context.gate.check_commands()
    yield context.health.check_requests_fit()


def files_and_schema(context: Context, meanwhile: Check) -> Check:
    """Begin the looks of chapter 1 that need the target's images on the host, and return `meanwhile` as above."""
    incident = context.incident
    if not incident.has_changed_nothing:
        return meanwhile
    release = pinned_release(context)
    looks: dict[Any, Callable[[], Any]] = {drift.look: partial(drift.look, context, release)}
    checks = []
    # The application's own commands are not run ahead: `current` and `heads` use containers of the same name.
    if schema_revisions.unchecked(context) is None and not schema_revisions.is_own(context):
        looks[schema_revisions.revisions] = partial(schema_revisions.revisions, context)
        looks |= _range(context, release)
    if not context.options.with_configuration:  # otherwise the configuration must be decided first
        looks[compose_files.what_follows] = partial(compose_files.what_follows, context, release)
        checks.append(compose_files.switchable(context, release))
    incident.look_ahead(checks, looks)
    return meanwhile


def _range(context: Context, release: Release) -> dict[Any, Callable[[], Any]]:
    """Return the looks for the verdict: both images, and a copy of the schema if the ledger suggests a range."""
    if migration_facts.decided(context) or context.options.forward_fix:
        return {}
    try:
        expected = context.ledger.schema(release)
    except RunbookError:
        expected = ()
    looks = migration_facts.images_ahead(context, release, expected)
    if expected and not context.options.with_configuration:  # otherwise the copy needs the later decision
        copy = SchemaCopy(context)
        context.at_end.callback(copy.end)
        looks[SchemaCopy] = partial(copy.begin, expected)
    return looks


def validation(context: Context, release: Release) -> None:
    """Begin the looks of the next steps of a validation that do not depend on each other.

    Readiness is not among them, because its rule is decided first. The logs are not either, because they must cover the
    time of all other looks.
    """
    context.incident.look_ahead(_of_validation(context, release))


def _of_validation(context: Context, release: Release) -> Iterator[Check]:
    yield context.quarantine.check_not_quarantined(release.digests)
    yield context.health.check_containers_healthy()
    yield context.health.check_live()
    yield context.gate.check_serves(release.tag)
    with suppress(RunbookError):  # reported by the step itself
        yield context.metrics.check_with_token()
        yield context.metrics.check_without_token()
