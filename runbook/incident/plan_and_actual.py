"""Where an execution differed from its plan, change by change; both stand in the execution's journal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from runbook.incident.in_short import ShortChange, ShortSentence, in_short
from runbook.incident.journal import Entry
from runbook.incident.likeness import as_planned, same_action, same_actions, without_name
from runbook.incident.planned import facts_in_short
from runbook.sentence import Reach


class Standing(StrEnum):
    """How what was done stands to what was planned."""

    AS_PLANNED = "as planned"
    ALREADY_SO = "already so"
    DIFFERS = "differs"
    BROKEN_OFF = "broken off"
    NOT_REACHED = "not reached"
    NOT_PLANNED = "not planned"


@dataclass(frozen=True)
class Line:
    """One line of planned and done, one above the other.

    `sign` is `-` for what was planned only, `+` for what was done only, a blank for what is the same.
    """

    sign: str
    text: str


@dataclass(frozen=True)
class ChangeHeld:
    """One change, as it was planned and as it was made.

    `sentence` is the sentence with its keyword, `id` its place as in `2.3.2`. `planned` and `actual` are the commands
    and messages, each with its own incident's name; `evidence` says what showed that it was so already. `lines` puts
    the two one above the other where they differ, and is empty otherwise. `apart` tells whether this counts as a
    difference: what the plan itself carried out (the fetching of images) is already so, and is not one.
    """

    scenario: str
    sentence: str
    id: str
    summary: str
    reach: str
    standing: Standing
    planned: tuple[str, ...]
    actual: tuple[str, ...]
    evidence: str
    lines: tuple[Line, ...]
    apart: bool


@dataclass(frozen=True)
class FactHeld:
    """Something that the execution found otherwise than the plan: `name`, and both in words (`-` for none)."""

    name: str
    planned: str
    actual: str


@dataclass(frozen=True)
class Stop:
    """The sentence at which it stopped, with its keyword and place, and why in words."""

    sentence: str
    id: str
    why: str


@dataclass(frozen=True)
class PlanAndActual:
    """A plan held against its execution.

    `plan` is the plan's incident, empty when there was none, and then `why_none` says why. `made` is when it was made
    (UTC), `head` its journal's head hash, `by` who made it. `stopped` is where the execution stopped, None when it
    did not; `plan_stopped` is the same of the plan.
    """

    plan: str
    why_none: str
    made: str
    head: str
    by: str
    changes: tuple[ChangeHeld, ...]
    facts: tuple[FactHeld, ...]
    stopped: Stop | None
    plan_stopped: Stop | None

    @property
    def as_planned(self) -> int:
        """How many changes were made as planned, or were so as the plan said."""
        return sum(not change.apart for change in self.changes)

    @property
    def differences(self) -> int:
        """In how many places it differs; what was not reached behind a stop is no place of its own, the stop is one."""
        no_place = Standing.NOT_REACHED if self.stopped else None
        changes = sum(change.apart and change.standing is not no_place for change in self.changes)
        return changes + len(self.facts) + self._stopped_apart

    @property
    def _stopped_apart(self) -> bool:
        here, there = self.stopped, self.plan_stopped
        broken_off = any(change.standing is Standing.BROKEN_OFF for change in self.changes)
        return not broken_off and (here and here.sentence) != (there and there.sentence)

    @property
    def summary(self) -> str:
        """It in one sentence, for the page's head."""
        if not self.plan:
            return f"No plan to compare with: {self.why_none}"
        counted, reach = f"{self.as_planned} of {len(self.changes)} changes", self._to_production
        places = self.differences
        if not places:
            stopped = "stopped where the plan did, " if self.stopped else ""
            return f"As planned: {stopped}{counted}{reach}"
        where = "1 place" if places == 1 else f"{places} places"
        return f"Differs from the plan in {where}: {counted} as planned{reach}"

    @property
    def _to_production(self) -> str:
        """How many of those made as planned changed production, as the terminal counts them; empty if unknown."""
        if not self.as_planned or not all(change.reach for change in self.changes):
            return ""
        made = [change for change in self.changes if change.standing is Standing.AS_PLANNED]
        number = sum(change.reach == Reach.PRODUCTION for change in made)
        return f", {number or 'none'} of them to production"


def plan_and_actual(entries: Sequence[Entry]) -> PlanAndActual | None:
    """Hold the whole incident against the plan on record; None for a plan, or a journal that says nothing of plans."""
    plan = next((entry for entry in reversed(entries) if entry["kind"] == "plan"), None)
    if plan is None:
        return None
    name = str(entries[0].get("incident", ""))
    planned = [ShortSentence.from_journal(sentence) for sentence in plan.get("sentences", [])]
    actual = in_short(entries) if plan["incident"] else []
    return PlanAndActual(
        plan=plan["incident"] or "",
        why_none=plan.get("why", ""),
        made=plan.get("made", ""),
        head=plan.get("head", ""),
        by=plan.get("by", ""),
        changes=tuple(_changes(planned, actual, str(plan["incident"]), name)),
        facts=tuple(_facts(plan.get("facts", {}), facts_in_short(entries))) if plan["incident"] else (),
        stopped=_stop(actual),
        plan_stopped=_stop(planned),
    )


def _stop(sentences: Sequence[ShortSentence]) -> Stop | None:
    """The first sentence that did not let its scenario go on."""
    for sentence in sentences:
        if sentence.stopped:
            return Stop(f"{sentence.keyword} {sentence.text}", sentence.id, sentence.detail)
    return None


def _changes(
    planned: Sequence[ShortSentence], actual: Sequence[ShortSentence], plan: str, name: str
) -> Iterator[ChangeHeld]:
    """Every change of either, in the order of the execution, and then what it did not come to, as the plan has it."""
    promised = {_key(sentence, number): sentence for number, sentence in _numbered(planned)}
    for number, sentence in _numbered(actual):
        said = promised.pop(_key(sentence, number), None)
        for which, change in zip_longest(said.changes if said else (), sentence.changes):
            yield _held(sentence, which, change, plan, name)
    for sentence in promised.values():
        for change in sentence.changes:
            yield _held(sentence, change, None, plan, name)


def _numbered(sentences: Sequence[ShortSentence]) -> Iterator[tuple[int, ShortSentence]]:
    """Each sentence with how often its scenario has said the same before."""
    counts: dict[tuple[str, str, str], int] = {}
    for sentence in sentences:
        words = (sentence.scenario, sentence.keyword, sentence.text)
        counts[words] = counts.get(words, 0) + 1
        yield counts[words], sentence


def _key(sentence: ShortSentence, number: int) -> tuple[str, str, str, int]:
    return sentence.scenario, sentence.keyword, sentence.text, number


def _held(
    sentence: ShortSentence, planned: ShortChange | None, actual: ShortChange | None, plan: str, name: str
) -> ChangeHeld:
    known = actual or planned
    assert known is not None  # noqa: S101 - zip_longest gives at least one of the two
    said = [without_name(action, plan) for action in planned.actions] if planned else []
    did = [without_name(action, name) for action in actual.actions] if actual else []
    standing, apart = _standing(planned, actual, said, did)
    return ChangeHeld(
        scenario=sentence.scenario,
        sentence=f"{sentence.keyword} {sentence.text}",
        id=sentence.id,
        summary=known.summary,
        reach=known.reach,
        standing=standing,
        planned=tuple(planned.actions) if planned else (),
        actual=tuple(actual.actions) if actual else (),
        evidence=_evidence(planned, actual),
        lines=tuple(_lines(said, did)) if standing is Standing.DIFFERS else (),
        apart=apart,
    )


def _standing(
    planned: ShortChange | None, actual: ShortChange | None, said: Sequence[str], did: Sequence[str]
) -> tuple[Standing, bool]:
    """How a change stands to its plan, and whether that counts as a difference."""
    if actual is None:
        return Standing.NOT_REACHED, True
    if actual.state == "begun":
        return Standing.BROKEN_OFF, True
    if planned is None:
        return Standing.NOT_PLANNED, True
    if actual.state == "already so":
        return Standing.ALREADY_SO, not as_planned(planned.state, actual.state)
    if not as_planned(planned.state, actual.state) or not same_actions(said, did):
        return Standing.DIFFERS, True
    return Standing.AS_PLANNED, False


def _evidence(planned: ShortChange | None, actual: ShortChange | None) -> str:
    if planned and actual and (planned.state, actual.state) == ("done", "done"):
        return "the plan had carried it out, and it had to be done again"
    return actual.evidence if actual else ""


def _lines(planned: Sequence[str], actual: Sequence[str]) -> Iterator[Line]:
    """The lines of both, one above the other, with the incidents' own names taken out."""
    said = [line for action in planned for line in action.splitlines()]
    did = [line for action in actual for line in action.splitlines()]
    # What could not be known when it was planned is no difference.
    alike = [next((line for line in did if same_action(says, line)), says) for says in said]
    for what, first, last, begin, end in SequenceMatcher(None, alike, did, autojunk=False).get_opcodes():
        if what == "equal":
            yield from (Line(" ", line) for line in did[begin:end])
            continue
        yield from (Line("-", line) for line in said[first:last])
        yield from (Line("+", line) for line in did[begin:end])


def _facts(planned: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[FactHeld]:
    """The facts that differ; what only one of them came to find out is no difference, a stop tells that."""
    for name, said in planned.items():
        if name in actual and said != actual[name]:
            yield FactHeld(name, _words(said), _words(actual[name]))


def _words(value: Any) -> str:
    return "; ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
