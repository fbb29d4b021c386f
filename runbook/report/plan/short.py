"""A plan on one screen: lines for a terminal of at least 60 columns, the most urgent first."""

import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

from runbook.actions import LeftOut, Outcome
from runbook.clock import seconds_between
from runbook.incident.facts import Strategy
from runbook.production.switchover.decision import Meanwhile, SwitchMode
from runbook.report.plan.model import Change, Decision, Failed, Migrations, Plan, Restore, Sign
from runbook.text import beginning, counted, visible

_NARROWEST, _WIDEST = 60, 100
_LABEL = 14
#: The most characters of the reason why a plan stopped. The record has all.
_LONGEST_WHY = 1000
#: The strategies that leave the schema at its revision.
_STAYS = (Strategy.IMAGE_ONLY, Strategy.BRIDGE)
#: The most sentences of evidence, and the most losses, that are shown. The record has all.
_SHOWN, _MOST = 1, 6


class Tone(StrEnum):
    """The kind of a line, for its color."""

    PLAIN = "plain"
    HEADING = "heading"
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    DECISION = "decision"
    BAD = "bad"
    COMMAND = "command"


class Line(NamedTuple):
    """One line. A command is never wrapped here; wrapping it elsewhere must keep it valid for a shell."""

    text: str
    tone: Tone = Tone.PLAIN


def short(plan: Plan, width: int, *, remarks: Sequence[str] = ()) -> list[Line]:
    """Return the lines of a plan, at most `width` characters long except for commands.

    `remarks` are further lines for the reader of this run.
    """
    return list(_lines(plan, max(_NARROWEST, min(width, _WIDEST)), remarks))


def _lines(plan: Plan, room: int, remarks: Sequence[str]) -> Iterator[Line]:
    host = f" on {plan.host}" if plan.host else ""
    yield from _wrapped(f"{plan.project}{host} · {plan.kind} · {_ENDED[Outcome(plan.outcome)]}", room, Tone.HEADING)
    stopped = plan.stopped is not None or plan.outcome in (Outcome.FAILED, Outcome.INTERRUPTED)
    if stopped:
        yield from _why_stopped(plan, room)
    for remark in remarks:
        yield from _wrapped(f"  {remark}", room, Tone.DECISION)
    if stopped:
        yield from _following(plan, room)
    yield from _from_to(plan, room)
    yield from _way(plan, room)
    # After a stop, the changes that would have followed are not shown.
    yield from () if stopped else _changes_by_host(plan, room)
    yield from _apart(plan, room)
    if not stopped and (plan.changes or plan.decisions):
        yield Line(f"  {_counted(plan)}")
        yield from _wrapped(f"  Users: {_users(plan)}", room)
    for decision in plan.decisions:
        yield from _decision(decision, room)
    if not stopped:
        yield from _following(plan, room)


_ENDED = {
    Outcome.PASSED: "nothing was changed",
    Outcome.PLANNED: "nothing was changed",
    Outcome.DECISION_NEEDED: "DECISION NEEDED, nothing was changed",
    Outcome.NOTHING_TO_DO: "NOTHING TO DO",
    Outcome.FAILED: "STOPPED, nothing was changed",
    Outcome.INTERRUPTED: "INTERRUPTED, nothing was changed",
}


def _why_stopped(plan: Plan, room: int) -> Iterator[Line]:
    if plan.stopped is None:
        return
    interrupted = plan.stopped.outcome == Outcome.INTERRUPTED
    yield from _wrapped(f"  stopped at {plan.stopped.step}: {plan.stopped.text}", room, Tone.BAD)
    why = beginning(visible(plan.stopped.why), _LONGEST_WHY)
    yield from _wrapped(f"    {why}", room, Tone.PLAIN if interrupted else Tone.BAD)
    if plan.stopped.helps:
        yield from _wrapped(f"    next step: {plan.stopped.helps}", room)


def _from_to(plan: Plan, room: int) -> Iterator[Line]:
    failed, target = plan.failed, plan.target
    if plan.nothing_to_do and all(each.nothing_to_do for each in plan.hosts):
        yield from _wrapped(f"  {plan.nothing_to_do}", room)
        return
    for host in plan.hosts:
        told = f"nothing to do: {host.nothing_to_do}" if host.nothing_to_do else _how(host.failed)
        yield from _labelled(host.name, [", ".join(host.failed.tags), told], room)
    if failed.tags and not plan.hosts:
        yield from _labelled("on" if target is None else "from", [", ".join(failed.tags), _how(failed)], room)
    if target is None:
        return
    words = {"validated": "validated", "deployed": "never validated, deployed", "built": "never validated, built"}
    evidence = [words.get(target.kind, target.kind), _minute(target.time)]
    moves = plan.migrations.schema_now != plan.migrations.schema_then
    same = "schema from before the deploy" if moves else "same schema"
    schema = {True: same, False: "OTHER schema", None: ""}[target.same_schema]
    known = ["named by you" if target.named else "", " ".join(filter(None, evidence)), schema]
    numbers = ", ".join(str(each.number) for each in target.others)
    more = f"{len(target.others)} more: --to {numbers}" if target.others else "no other"
    told = "; ".join(filter(None, (", ".join(filter(None, known)), more)))
    yield from _labelled("to", [target.tag, told], room)


def _how(failed: Failed) -> str:
    since = [f"running for {age}"] if (age := _age(failed)) else []
    return "; ".join((*(failed.why or ("nothing bad was seen",)), *since))


def _way(plan: Plan, room: int) -> Iterator[Line]:
    way = plan.migrations
    if plan.switch:
        yield from _labelled("switch", [plan.switch], room)
        return
    if plan.restore:
        yield from _restored(plan.restore, room)
    if way.verdict or way.strategy:
        now, then = ", ".join(way.schema_now), ", ".join(way.schema_then)
        stays = f"schema stays at {now}" if way.strategy in _STAYS and now != then else ""
        unasked = "not checked" if way.strategy == Strategy.IMAGE_ONLY else "asked for"
        verdict = f"{way.verdict or unasked} → {way.strategy or 'not decided'}"
        yield from _labelled("migrations", [verdict, stays], room)
    undecided = any("--verdict" in each.options for each in plan.decisions)
    if way.verdict not in (None, "unchanged") and not undecided:
        yield from _evidence(way.evidence, room)
    yield from _bridge(way, room)
    if way.loss and not any("--accept-loss" in each.options for each in plan.decisions):
        yield from _destroyed(way.loss, room)
    if plan.switchover:
        # If the schema changes, there is only one way to switch. The last sentence says what happens to requests.
        why = plan.switchover.why if way.strategy == "image-only" else plan.switchover.why[-1:]
        closed = plan.switchover.mode == SwitchMode.BEHIND_CLOSED_GATE
        # Without a gate, nothing is closed.
        mode = "in place" if closed and plan.switchover.meanwhile == Meanwhile.FLOWING else plan.switchover.mode
        yield from _labelled("switch", [mode, "; ".join(why)], room)


def _restored(restore: Restore, room: int) -> Iterator[Line]:
    dump, made = PurePosixPath(restore.dump).name, f", of {restore.made}" if restore.made else ""
    yield from _labelled("restores", [f"the database {restore.database} from {dump}{made}"], room)
    kept = f"{'data loss':<{_LABEL - 4}}  data written since will be only in {restore.kept_as}"
    yield from _wrapped(f"  {kept}", room, Tone.REMOVED, indent=_LABEL)


def _bridge(way: Migrations, room: int) -> Iterator[Line]:
    if way.bridge and way.strategy == Strategy.BRIDGE:
        for each in way.bridge:
            yield from _wrapped(f"    - {each}", room)
    elif way.bridge:
        yield from _wrapped(f'    or, with nothing lost: --strategy {Strategy.BRIDGE} --because "why"', room)


def _destroyed(loss: Sequence[str], room: int) -> Iterator[Line]:
    yield Line(f"  destroys{' ' * (_LABEL - 10)}  a restore point is taken first", Tone.REMOVED)
    for each in loss[:_MOST]:
        yield from _wrapped(f"    - {each}", room, Tone.REMOVED)
    if (more := len(loss) - _MOST) > 0:
        yield Line(f"    - and {more} more, in the record", Tone.REMOVED)


def _evidence(evidence: Sequence[str], room: int) -> Iterator[Line]:
    for each in evidence[:_SHOWN]:
        # Two lines at most.
        yield from _wrapped(f"    because {beginning(visible(each), 2 * (room - _LABEL))}", room)
    if (more := len(evidence) - _SHOWN) > 0:
        yield Line(f"    and {more} more, in the record")


def _changes_by_host(plan: Plan, room: int) -> Iterator[Line]:
    """Return the changes common to all hosts once, then those of each host."""
    if not plan.hosts:
        yield from _changes(plan.changes, room)
        return
    busy = [each.name for each in plan.hosts if not each.nothing_to_do]
    own = {host: [each.model_copy(update={"on": ""}) for each in plan.changes if each.on == host] for host in busy}
    shared = [each for each in own[busy[0]] if all(each in changes for changes in own.values())] if busy else []
    if shared:
        yield Line(f"  {', then '.join(busy)}:")
        yield from _changes(shared, room)
    for host, changes in own.items():
        if alone := [each for each in changes if each not in shared]:
            yield Line(f"  only {host}:")
            yield from _changes(alone, room)
    if people := [each for each in plan.changes if not each.on]:
        yield Line("  once:")
        yield from _changes(people, room)


def _changes(changes: Sequence[Change], room: int) -> Iterator[Line]:
    tones = {Sign.ADDED: Tone.ADDED, Sign.CHANGED: Tone.CHANGED, Sign.REMOVED: Tone.REMOVED}
    column = min(max((len(each.what) for each in changes), default=0), room // 3)
    for each in changes:
        head = f"  {each.sign} {each.what:<{column}}  "
        copy = f" (copy in {each.copy_in})" if each.copy_in else ""
        states = " → ".join(filter(None, each.states))
        yield from _wrapped(f"{head}{states}{copy}", room, tones[each.sign], indent=len(head))


def _apart(plan: Plan, room: int) -> Iterator[Line]:
    if plan.configuration_differs:
        keys = counted(plan.configuration_differs, "key")
        yield from _wrapped(f"  configuration differs from the validated one: {keys}, in the record", room)
    for source, why in plan.not_asked.items():
        yield Line(
            f"  {textwrap.shorten(visible(f'NOT READ: {source}: {why}'), room - 2, placeholder=' …')}", Tone.DECISION
        )
    if told := _left_out(plan):
        yield from _wrapped(f"  left out: {told}", room)


def _left_out(plan: Plan) -> str:
    """Return the line about scenarios left out: their number by reason."""
    why = {
        LeftOut.STRATEGY: "for other strategies",
        LeftOut.SWITCH: "for another switch",
        LeftOut.NEEDS: "that need one that did not pass",
        LeftOut.NOTHING_TO_DO: "with nothing to do",
    }
    counts = {word: len(list(each)) for word, each in groupby(sorted(each.why for each in plan.left_out))}
    told = [f"{counted(count, 'scenario')} {why.get(LeftOut(word), word)}" for word, count in counts.items()]
    return ", ".join(told)


def _counted(plan: Plan) -> str:
    decisions = {0: "no decision needed", 1: "1 DECISION NEEDED"}
    needed = decisions.get(len(plan.decisions), f"{len(plan.decisions)} DECISIONS NEEDED")
    changes, checks = len(plan.changes), plan.checks
    return f"Plan: {counted(changes, 'change')}, {counted(checks, 'check')}, {needed}."


def _users(plan: Plan) -> str:
    if plan.restore:
        return "without service from when traffic is paused until a person starts the application again"
    cost = plan.interruption
    if cost is None or (cost.without_service, cost.paused) == (None, None):
        return "the expected interruption is unknown"
    down = [f"about {cost.without_service:.0f} s without service"] if cost.without_service is not None else []
    kept = "requests wait" if cost.held else "traffic paused"
    paused = [f"{kept} for about {cost.paused:.0f} s"] if cost.paused is not None else []
    kind = "rehearsal" if cost.rehearsed else "incident"
    kinds = f"{kind}, {cost.until}" if cost.count == 1 else f"{cost.count} {kind}s, {cost.since} to {cost.until}"
    return f"{', '.join((*down, *paused))} (last {kinds})"


def _decision(decision: Decision, room: int) -> Iterator[Line]:
    words = {
        "--accept-loss": "accept what would be destroyed",
        "--verdict": "judge the migrations",
        "--no-migrations": "can the target live with the schema? The settings name no database to check",
    }
    first = decision.options[0] if decision.options else ""
    told = words.get(first, decision.text)
    yield from _wrapped(f"  DECISION NEEDED: {told}", room, Tone.DECISION)
    for each in decision.about[:_MOST]:
        yield from _wrapped(f"    - {each}", room, Tone.DECISION)
    if (more := len(decision.about) - _MOST) > 0:
        yield Line(f"    - and {more} more, in the record", Tone.DECISION)
    if decision.instead:
        yield from _wrapped(f"    or, instead of breaking: {', or '.join(decision.instead)}", room)
    if first == "--no-migrations":
        yield from _wrapped('    if it never migrates a database, set migrations.tool = "none"', room)


def _following(plan: Plan, room: int) -> Iterator[Line]:
    if plan.following is None:
        return
    why = plan.following.why
    yield from _wrapped(f"  {why[:1].upper()}{why[1:]}:", room)
    if plan.following.command:
        yield Line(plan.following.command, Tone.COMMAND)


def _labelled(label: str, parts: Sequence[str], room: int) -> Iterator[Line]:
    """Return the lines of a label and its text."""
    head = f"  {label:<{_LABEL - 4}}  "
    yield from _wrapped(head + "  ".join(filter(None, parts)), room, indent=_LABEL)


def _wrapped(text: str, room: int, tone: Tone = Tone.PLAIN, *, indent: int | None = None) -> Iterator[Line]:
    """Yield `text` in lines with its indentation. Only words longer than a line are split."""
    own = len(text) - len(text.lstrip())
    hanging = " " * min(own + 2 if indent is None else indent, room // 2)
    # Escaped before wrapping: line breaks in `text` start no line, and the escapes count in the width.
    plain = visible(text).replace("\n", " ").replace("\t", " ")
    for line in textwrap.wrap(plain, room, subsequent_indent=hanging, break_on_hyphens=False):
        yield Line(line, tone)


def _minute(time: str) -> str:
    return f"{time[:10]} {time[11:16]}Z" if time else ""


def _age(failed: Failed) -> str:
    """Return how long the release had been running when it was seen. Empty if unknown."""
    try:
        seconds = seconds_between(failed.since, failed.seen)
    except ValueError:
        return ""
    unit, size = next(
        ((unit, size) for unit, size in (("days", 86400), ("h", 3600)) if seconds >= 2 * size), ("min", 60)
    )
    return f"{seconds / size:.0f} {unit}" if seconds >= size else f"{seconds:.0f} s"
