"""Checks that the target can start on a database newer than it knows: it cannot if it migrates when it starts.

Alembic in it would end with "Can't locate revision" (trap 3). The settings decide; else signs in the start command;
else the target is started on a copy of the schema, for no sign proves nothing.
"""

from dataclasses import replace

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.chapters.startup.signs import signs_of
from runbook.chapters.startup.trial import StartTrial
from runbook.release import Release


def migrates_not_at_start(context: Context, release: Release) -> Check:
    """That no service of `release` migrates when it starts: declared, seen in its start command, or tried."""

    def observe() -> Observation:
        declared = context.settings.migrations.at_start
        if declared is not None:
            word = "it migrates" if declared else "it does not migrate"
            return Observation(
                not declared, f"{word} when it starts, as migrations.at_start of the settings says", final=True
            )
        # One-shot services, a migration before the start say, are not started with the target.
        names = context.production.rolled_back
        target = replace(release, digests={name: release.digests[name] for name in names})
        services = context.production.services(release.tag)
        signs = {name: signs_of(context, release.pinned(name), services[name]) for name in names}
        surely = [f"{name} migrates in {place}" for name, found in signs.items() for place in found.commands]
        if surely:
            return Observation(ok=False, seen="; ".join(surely), final=True)
        evidence = [f"{name} has code that can migrate: {', '.join(s.code)}" for name, s in signs.items() if s.code]
        evidence += [f"{name}: {found.unread}" for name, found in signs.items() if found.unread]
        trial = StartTrial(context, target).run()
        return Observation(trial.ok, "; ".join((trial.seen, *evidence)), final=True)

    return Check(
        "a target that does not migrate when it starts, because the database is newer than it knows",
        observe,
        "ship a forward-fix, and name it with --forward-fix TAG; this target would crash at every start."
        " If you know that it does not migrate, set migrations.at_start to false",
        acceptable=False,
    )
