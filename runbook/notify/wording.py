"""The facts of an incident in words, for announcements, tickets and the incident log."""

from collections.abc import Sequence
from typing import NamedTuple

from runbook.actions import not_known_yet
from runbook.incident.facts import Facts, Strategy
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.incident.schema_facts import RowsOf
from runbook.text import counted

#: The most tables with different rows that are listed; the journal has all.
_MOST_TABLES = 6


class Restore(NamedTuple):
    """A restore in words: the dump, begun at `made`, and the former database, which is kept under another name.

    `revisions_before` are those of the former database, `revisions` those of the dump. `start` is the command that
    starts the application on the restored database; `remove` is the command that removes the former database.
    """

    dump: str
    made: str
    size: str
    sha256: str
    database: str
    kept_as: str
    revisions_before: str
    revisions: str
    rows: str
    start: str
    remove: str
    #: Whether the application is stopped.
    application_stopped: bool


def restore_told(facts: Facts) -> Restore | None:
    """Return the restore in the facts, done or planned, or None."""
    fact = facts.restored or facts.to_restore
    if fact is None:
        return None
    before = facts.before.revisions if isinstance(facts.before, Snapshot) else Unknown(unknown="")
    return Restore(
        dump=fact.path,
        made=fact.made or "an unknown time",
        size="unknown" if fact.size is None else str(fact.size),
        sha256=fact.sha256,
        database=fact.database,
        kept_as=fact.kept_as,
        revisions_before="not known" if isinstance(before, Unknown) else _joined(before),
        revisions=_joined(fact.revisions),
        rows=rows_told(fact.rows) if facts.restored else not_known_yet("how many"),
        start=fact.start,
        remove=fact.remove,
        application_stopped=facts.restored is None or facts.left_stopped,
    )


def rows_told(rows: Sequence[RowsOf]) -> str:
    """Return the tables whose row counts differ in the restored and the former database, and the number of others."""
    other = [each for each in rows if each.restored != each.before]
    shown = [f"{each.table} {_number(each.restored)}, before {_number(each.before)}" for each in other[:_MOST_TABLES]]
    more = [f"{len(other) - _MOST_TABLES} more tables differ"] if len(other) > _MOST_TABLES else []
    same = len(rows) - len(other)
    return "; ".join([*shown, *more, f"the same in {counted(same, 'table')}"])


def _number(rows: int | None) -> str:
    return "no table" if rows is None else str(rows)


def _joined(revisions: Sequence[str]) -> str:
    return ", ".join(revisions) or "no revision"


def restore_point_told(path: str, size: str, sha256: str) -> str:
    """Return a restore point in words. `size` is in bytes."""
    return f"Restore point from before, on the production host: {path}, {size} bytes, sha256 {sha256}."


def schema_told(facts: Facts, restore_point: str) -> list[str]:
    """Return what happened to the schema, and where its data is kept. `restore_point` is in words, or empty."""
    if restore := restore_told(facts):
        return [*_restored(restore), *([restore_point] if restore_point else [])]
    now, judged = _heads(facts), facts.verdict.verdict if facts.verdict else "unknown"
    if is_forward(facts):
        return [f"The schema was migrated to {now}, the head of the new release."]
    verdict = f"Verdict on migrations: {judged}."
    if facts.strategy is Strategy.BRIDGE and facts.bridge:
        stays = f"The schema stays at {', '.join(facts.revisions or ()) or 'unknown'}, relaxed without touching a row:"
        return [verdict, f"{stays} {'; '.join(facts.bridge.told)}.", "It stays relaxed until a forward-fix."]
    if facts.strategy is Strategy.DOWNGRADE:
        kept = restore_point or "No restore point is on record."
        return [verdict, f"The schema was downgraded to {now}.", kept]
    if restore_point:
        return [verdict, "An earlier, interrupted run began to downgrade the schema.", restore_point]
    stays = f"The schema stays at {', '.join(facts.revisions or ()) or 'unknown'}."
    return [verdict, *([stays] if judged == "additive" else [])]


def _restored(restore: Restore) -> list[str]:
    return [
        f"The database {restore.database} has the contents of a dump of {restore.made}.",
        f"Dump, on the production host: {restore.dump}, {restore.size} bytes, sha256 {restore.sha256}.",
        f"Data loss: everything written since then is only in the kept database {restore.kept_as}.",
        f"Revisions: {restore.revisions_before} before, {restore.revisions} now.",
        f"Rows: {restore.rows}.",
    ]


def switched_off(facts: Facts) -> list[str]:
    """Return the kill switches that are still off, and who turns them on again."""
    now = facts.after or facts.found_again or facts.before
    switches = {} if now is None or isinstance(now, Unknown) else now.switches
    return [
        f"Switched off: {name} ({switch.variable}={switch.value});"
        f" {f'{switch.owner} turns it on again' if switch.owner else 'the settings name no owner to turn it on again'}."
        for name, switch in sorted(switches.items())
        if switch.state == "off"
    ]


def is_forward(facts: Facts) -> bool:
    """Tell whether the strategy is a forward-fix."""
    return facts.strategy is Strategy.FORWARD_FIX


def from_to(facts: Facts) -> tuple[str, str]:
    """Return the tags of the failed release and of the target."""
    target = facts.target_tag or "an unknown release"
    failed = [tag for tag in facts.origin.tags if tag != target] if facts.origin else []
    return ", ".join(failed) or "the failed release", target


def _heads(facts: Facts) -> str:
    return ", ".join(facts.target_heads) or "the head of the target"
