"""Several hosts of one project: what must be the same on all of them. The first host is the canary."""

from dataclasses import replace

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.errors import TargetError
from runbook.incident.facts import Strategy
from runbook.incident.production_facts import Snapshot
from runbook.release import Release


def differs(context: Context, seen: Snapshot) -> str:
    """Return, in words, how this host differs from the canary; empty if it does not, or if it is the canary."""
    first = context.canary.incident.facts.before if context.canary else None
    if first is None or (first.tags, first.digests) == (seen.tags, seen.digests):
        return ""
    if first.tags != seen.tags:
        return f"DIFFERENT RELEASE from the first host, which runs {', '.join(first.tags)}"
    others = [
        f"{name} {seen.digests.get(name)}" for name in first.digests if first.digests[name] != seen.digests.get(name)
    ]
    return f"DIFFERENT IMAGES of it from the first host: {', '.join(others)}"


def target_of_all(context: Context, *, named: bool) -> str | None:
    """Return the tag of the canary's target; None on the canary itself, which chooses.

    Raises TargetError when the hosts run different releases and no target was `named`.
    """
    if context.canary is None:
        return None
    here, first = context.incident.facts.seen_before, context.canary.incident.facts
    if here.tags != first.seen_before.tags and not named:
        raise TargetError(
            f"{', '.join(here.tags)} runs here, but {', '.join(first.seen_before.tags)} on the first host",
            "name the release for all hosts with --to TAG, or select hosts with --hosts",
        )
    return first.target_tag or None


def refuse_other_digests(context: Context, release: Release) -> None:
    """Raise TargetError when the target's digests differ from those on the canary."""
    first = context.canary.incident.facts.target if context.canary else None
    if first is not None and first.digests != release.digests:
        raise TargetError(
            f"{release.tag} is {', '.join(release.digests.values())} here, but {', '.join(first.digests.values())} on"
            " the first host",
            "the tag was moved meanwhile: find out who moved it, then plan again",
        )


def one_strategy(context: Context, check: Check) -> Check:
    """Return the check, which now fails also if the canary has another strategy, or if a necessary host is left out.

    All hosts that share the database are necessary, unless the strategy is image-only.
    """

    def observe() -> Observation:
        seen, facts = check.observe(), context.incident.facts
        first = context.canary.incident.facts if context.canary else None
        if not seen.ok:
            return seen
        if first is not None and first.strategy is not facts.strategy:
            told = f"the strategy is {facts.strategy} here, but {first.strategy} on the first host: {seen.seen}"
            return Observation(ok=False, seen=told, final=True)
        database = context.settings.database
        shared = database is not None and database.hosts == "shared"
        if shared and context.options.hosts and facts.strategy is not Strategy.IMAGE_ONLY:
            told = "the schema would change for hosts that share the database but are left out by --hosts"
            return Observation(ok=False, seen=f"{seen.seen}; {told}", final=True)
        return seen

    return replace(check, observe=observe)
