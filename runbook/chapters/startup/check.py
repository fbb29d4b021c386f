"""Checks that the target can start on a database newer than it knows: it cannot if it migrates when it starts.

Its Alembic would exit with "Can't locate revision" (trap 3). The settings decide, or else signs in the start command.
The absence of signs proves nothing, so the target is then started on a copy of the schema.
"""

from dataclasses import replace

from runbook.actions import Check, Observation
from runbook.chapters.configuration.restored import as_it_will_be
from runbook.chapters.context import Context
from runbook.chapters.startup.signs import signs_of
from runbook.chapters.startup.trial import StartTrial
from runbook.errors import Inconclusive
from runbook.incident.facts import Strategy
from runbook.release import Release

_EXPECTED = "a target that does not migrate at start, because the database is newer than it knows"
_DECLARE = "If you know that it does not migrate, set migrations.at_start to false"


def migrates_not_at_start(context: Context, release: Release) -> Check:
    """Check that no service of `release` migrates when it starts: by the settings, its start command, or a trial."""

    def observe() -> Observation:
        known, evidence = _without_trial(context, release)
        if known:
            return known
        if context.settings.migrations.tool == "own":
            raise Inconclusive(
                "; ".join(
                    (
                        "unknown whether the target can start on this schema: a trial is possible only with Alembic",
                        *evidence,
                    )
                ),
                "find out whether it migrates at start, and set migrations.at_start to true or false",
            )
        facts = context.incident.facts
        relaxed = facts.bridge.up if facts.bridge and facts.strategy is Strategy.BRIDGE else ()
        trial = StartTrial(context, _started(context, release), relaxed).run()
        return Observation(trial.ok, "; ".join((trial.seen, *evidence)), final=True)

    return Check(
        _EXPECTED,
        observe,
        f"this target would crash at every start: ship a forward-fix and name it with --forward-fix TAG. {_DECLARE}",
        acceptable=False,
    )


def shows_no_migration_at_start(context: Context, release: Release, next_step: str) -> Check:
    """Check that nothing shows that `release` migrates when it starts.

    There is no trial, because the newer schema does not exist yet.
    """

    def observe() -> Observation:
        known, evidence = _without_trial(context, release)
        told = "no sign that it migrates at start; the plan of a rollback will try it"
        return known or Observation(ok=True, seen="; ".join((told, *evidence)))

    return Check(_EXPECTED, observe, f"{next_step}. {_DECLARE}", acceptable=False)


def _started(context: Context, release: Release) -> Release:
    """Return the release without its one-shot services, such as a migration before the start. They are not started."""
    return replace(release, digests={name: release.digests[name] for name in context.production.rolled_back})


def _without_trial(context: Context, release: Release) -> tuple[Observation | None, list[str]]:
    """Return the result from the settings or the start commands, None if they do not decide, and other evidence."""
    declared = context.settings.migrations.at_start
    if declared is not None:
        word = "it migrates" if declared else "it does not migrate"
        seen = f"{word} when it starts (migrations.at_start in the settings)"
        return Observation(not declared, seen, final=True), []
    services = as_it_will_be(context).services(release.tag)
    names = context.production.rolled_back
    signs = {name: signs_of(context, release.pinned(name), services[name]) for name in names}
    surely = [f"{name} migrates in {place}" for name, found in signs.items() for place in found.commands]
    if surely:
        return Observation(ok=False, seen="; ".join(surely), final=True), []
    evidence = [f"{name} has code that can migrate: {', '.join(s.code)}" for name, s in signs.items() if s.code]
    return None, [*evidence, *(f"{name}: {found.unread}" for name, found in signs.items() if found.unread)]
