"""What a person must still do after an incident, with the commands to type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook.actions import LeftOut
from runbook.incident.facts import Facts, Strategy
from runbook.incident.schema_facts import HalfWay
from runbook.journal.journal import Entry, newest_run
from runbook.report.next_command import Next, gate_in_words, next_command
from runbook.report.step_digest import step_digests

#: The most remaining scenarios that are named. The journal has all.
_NAMED = 3
#: The words about a step that a person accepted, by its outcome.
_ACCEPTED = {
    "inconclusive": "it could not be checked, and {} vouched for it",
    "failed": "it failed, and {} accepted that",
}


@dataclass(frozen=True)
class ToDo:
    """A task for a person: in words, and the command to type, if there is one."""

    text: str
    command: str = ""


def to_do(entries: Sequence[Entry], *, end_unknown: bool = False) -> Iterator[ToDo]:
    """Yield what is left to do, the most urgent first: nothing for a plan, for a validation only the next command.

    `end_unknown`: the end of the journal cannot be trusted (status.py), so the incident is not resumed from it.
    """
    opened: Mapping[str, Any] = entries[0] if entries else {}
    if opened.get("type") == "validation" and (following := next_command(entries, end_unknown=end_unknown)):
        yield ToDo(f"{following.why[0].upper()}{following.why[1:]}:", following.command)
    if opened.get("mode") != "execute" or opened.get("type") == "unlock":
        return
    closed = entries[-1] if entries[-1]["kind"] == "closed" else {}
    following = next_command(entries, end_unknown=end_unknown)
    if end_unknown and following:
        yield ToDo("The outcome is unknown. Before anything else, check the state of production:", following.command)
    if closed_by := gate_in_words(entries):
        go_on = following.command if following and not end_unknown else ""
        told = f"Resume traffic. According to this record, the gate was {closed_by}."
        yield ToDo(told, go_on)
    yield from _begun(entries)
    yield from _of_databases(entries, following)
    if not end_unknown:
        yield from _unfinished(entries, closed, following)
    yield from _checks(entries)


def _of_databases(entries: Sequence[Entry], following: Next | None) -> Iterator[ToDo]:
    """Yield the tasks after a restore: the stopped application, and the former live database."""
    facts = Facts.of(entries, ("restored", "kept rows"))
    if (restored := facts.restored) is not None:
        if following is not None and following.command == restored.start:
            yield ToDo(f"{following.why[0].upper()}{following.why[1:]}:", following.command)
        since = f"since {restored.made}" if restored.made else "since the dump"
        lost = f"Everything written {since} is only in the database {restored.kept_as}."
        yield ToDo(f"{lost} Once nobody needs its rows, remove it:", restored.remove)
    if (kept := facts.kept_rows) is not None and kept.kept:
        left_out = f" Not saved: {'; '.join(kept.left_out)}." if kept.left_out else ""
        destroyed = ", ".join(kept.kept)
        told = f"Once the forward-fix has migrated the schema, put back what the downgrade destroyed: {destroyed}."
        yield ToDo(f"{told}{left_out}", kept.put_back)


def _begun(entries: Sequence[Entry]) -> Iterator[ToDo]:
    """Return the changes that began and did not end."""
    for change in (change for step in step_digests(entries) for change in step.changes if change.state == "begun"):
        yield ToDo(f"Check “{change.summary}”: it began and never finished, so it may be half done.")


def _unfinished(entries: Sequence[Entry], closed: Mapping[str, Any], following: Next | None) -> Iterator[ToDo]:
    """Yield what was interrupted, and how to continue."""
    if not closed:
        yield ToDo("The run never closed its journal, so its lock may still exist. A resumed run takes it over.")
    stopped = [step for step in step_digests(entries) if step.stopped]
    # Only the newest run: what an earlier one recorded about the schema is outdated.
    ways = list(_ways(Facts.of(newest_run(entries), ("half way",)).half_way))
    for step in stopped:
        helps = f" Next step: {step.next_step}." if step.next_step and not ways else ""
        yield ToDo(f"It stopped at “{step.keyword} {step.text}”.{helps}")
    yield from ways
    if following is None or ways:
        return
    following = following.going_on
    by_itself = any(step.outcome != "interrupted" for step in stopped)
    if closed and not closed.get("changes_made") and by_itself:
        yield ToDo(f"{following.why[0].upper()}{following.why[1:]}:", following.command)
        return
    remaining = [name for item in closed.get("remaining", []) if (name := _name(item)) not in _of_other_ways(entries)]
    if remaining or not closed:
        more = f" and {len(remaining) - _NAMED} more" if len(remaining) > _NAMED else ""
        left = f": {', '.join(remaining[:_NAMED])}{more}" if remaining else ""
        yield ToDo(f"Continue with what is left{left}. What is done is not done twice.", following.command)


def _ways(half_way: HalfWay | None) -> Iterator[ToDo]:
    """Return the ways to continue and to restore after a failed migration, in the order in which to try them."""
    if half_way is None or not half_way.way_on:
        return
    as_before = f"to the state before the {half_way.direction}"
    if half_way.between_revisions:
        if half_way.way_back:
            yield ToDo(f"First go back {as_before}:", half_way.way_back)
        fix = "Then fix" if half_way.way_back else "Fix"
        yield ToDo(f"{fix} what stopped it, and continue:", half_way.way_on)
        return
    yield ToDo("To continue, fix what stopped it, then type:", half_way.way_on)
    if half_way.way_back:
        to = "to the failed release" if half_way.untouched else as_before
        yield ToDo(f"Or go back {to}:", half_way.way_back)


def _name(item: object) -> str:
    """Return a scenario's name from its pytest node id."""
    return str(item).rpartition("::")[2]


def _of_other_ways(entries: Sequence[Entry]) -> set[str]:
    """Return the scenarios for other strategies or other ways to switch."""
    left_out = [entry for entry in entries if entry["kind"] == "scenario left out"]
    return {entry["scenario"] for entry in left_out if entry.get("why") in (LeftOut.STRATEGY, LeftOut.SWITCH)}


def _checks(entries: Sequence[Entry]) -> Iterator[ToDo]:
    """Yield what could not be checked, and what was lost."""
    facts = Facts.of(entries)
    for step in step_digests(entries):
        if step.outcome in _ACCEPTED and not step.stopped and (word := facts.overrides.get(step.id)):
            why = _ACCEPTED[step.outcome].format(word.by)
            yield ToDo(f"Check “{step.keyword} {step.text}”: {why} ({word.because}).")
    if facts.strategy is Strategy.BRIDGE and facts.bridge:
        bridge = f"Roll out a forward-fix, which removes the bridge first ({'; '.join(facts.bridge.told)})."
        yield ToDo(f"{bridge} Before that, fix the rows that the ticket lists.")
    losses = "; ".join(facts.loss or ())
    if facts.strategy in (Strategy.DOWNGRADE, Strategy.FORWARD_FIX) and losses and facts.restore_point:
        only = "" if facts.kept_rows and facts.kept_rows.kept else "only "
        yield ToDo(f"Reconcile the data: what the {facts.strategy} destroyed is {only}in the restore point ({losses}).")
