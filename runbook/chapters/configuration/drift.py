"""The configuration drift: what differs from the configuration with which the target was validated."""

from functools import partial

from runbook.actions import Check, recorded
from runbook.chapters.configuration.keeping import configuration_now
from runbook.chapters.context import Context
from runbook.errors import RunbookError
from runbook.incident.production_facts import ConfigurationDrift, Unknown
from runbook.release import Release

#: The number of keys that fit on a terminal line. The record has them all.
_SHOWN = 6


def note_drift(context: Context, release: Release) -> Check:
    """Record the configuration drift once, because the runbook's own validation replaces the release snapshot."""
    incident = context.incident

    def note() -> str:
        found = incident.facts.configuration_drift
        if found and incident.changes_made:
            incident.confirm("configuration drift")
        else:
            found = incident.ahead.found(look, partial(look, context, release))
            incident.record_fact("configuration drift", found)
        return _in_words(found)

    return recorded("configuration drift since the target's validation on record", note)


def look(context: Context, release: Release) -> ConfigurationDrift:
    """Return the current configuration drift, or why it is unknown."""
    try:
        kept = context.ledger.snapshot(release)
        found = kept.differences(configuration_now(context, release))
    except RunbookError as error:  # no part of a rollback depends on it
        return ConfigurationDrift(tag=release.tag, differences=Unknown.of(error))
    return ConfigurationDrift(tag=release.tag, validated_at=kept.taken_at, differences=tuple(found))


def _in_words(drift: ConfigurationDrift) -> str:
    if isinstance(drift.differences, Unknown):
        return f"unknown: {drift.differences.unknown}"
    if not drift.differences:
        return f"no drift since {drift.tag} was validated ({drift.validated_at})"
    keys = [f"{each.key} {each.how}" for each in drift.differences]
    more = len(keys) - _SHOWN
    told = ", ".join([*keys[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
    return f"since {drift.tag} was validated ({drift.validated_at}): {told}"
