"""One run on one production: it carries out changes, holds expectations against what is seen, and keeps both."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from runbook.actions import Action, Check, Observation, Outcome, Question, Scope, message_told, nothing, same_change
from runbook.errors import CheckFailed, Inconclusive, RunbookError, StepError
from runbook.hosts.host import Host
from runbook.incident.facts import Facts, Unknown
from runbook.incident.look_ahead import RecorderOfLooksAhead
from runbook.journal.journal import Entry, Journal
from runbook.polling import Waited, Waker, wait_for
from runbook.settings.absent import Absent

#: What an incident that is gone on with takes from its journal; everything else is looked at afresh.
_PINNED = frozenset(
    (
        "before",
        "origin",
        "target",
        "schema",
        "together",
        "configuration drift",
        "configuration to restore",
        "target migrations",
        "failed migrations",
        "verdict",
        "bridge",
        "strategy",
        "switchover",
        "loss",
        "loss accepted",
        "restore point",
        "kept rows",
        "schema before",
        "restored",
        "switch",
        "ticket",
        "overrides",
    )
)


#: What of an open step executors share that work on several hosts.
_OF_THE_STEP = ("_step_id", "_keyword", "_step_may_change", "_step_began", "_step_did")
#: For how long, in seconds, what gives no answer is asked again at most while nothing was changed.
_NO_HURRY_YET = 3.0
#: Whether a look is made here that is repeated as a whole.
_LOOKING = ContextVar("looking", default=False)


class Mode(StrEnum):
    """What a run may do: show what it would do, validate the release that runs, or change production."""

    PLAN = "plan"
    VALIDATE = "validate"
    EXECUTE = "execute"

    def allows(self, scope: Scope) -> bool:
        """Tell whether a run may really make a change of that reach; what it may not make, it plans."""
        if self is Mode.EXECUTE or scope is Scope.IMAGES:
            return True
        return self is Mode.VALIDATE and scope is Scope.NOTES


class Executor(RecorderOfLooksAhead):
    """One run on one production."""

    def __init__(self, name: str, mode: Mode, journal: Journal) -> None:
        super().__init__(journal)
        self.name = name
        self.mode = mode
        self.facts = Facts()
        #: Since a change was only planned, production is no longer what later steps speak of.
        self.planned_changes = 0
        #: Changes to production that were really begun, in words.
        self.changes_made: list[str] = []
        self._changed: set[tuple[Any, ...]] = set()
        #: For how long, in seconds, what gives no answer is asked again before that counts, once something was changed.
        self.no_answer = 0.0
        #: What ends a pause between two looks; None lets time pass.
        self.waker: Waker | None = None
        #: Called where a look begins, and around whatever may change production: what was seen before counts no more.
        self.look_anew: Callable[[], None] = nothing
        #: Called with each change that is begun, and once more when it is done or was so already.
        self.watching: Callable[[Action, str], None] = lambda _change, _state: None
        #: Called with each change before it is begun; raises where this run may not make it.
        self.permit: Callable[[Action], None] = lambda _change: None
        #: Called before anything is changed; raises when this run may change nothing any more.
        self.before_change: Callable[[], None] = nothing
        #: What to type so that the run goes on over the step of that id.
        self.overriding: Callable[[str], str] = _option
        #: Whether harm goes on while nothing is changed, so that even the checks before any change may be accepted.
        self.urgent = False
        #: When each message was sent by an earlier run of this incident.
        self._told: dict[tuple[Any, ...], str] = {}
        self._step_id = self._keyword = ""
        #: Who vouched for which step that could not be checked in this run, and why; by the step's id.
        self.vouched: dict[str, Any] = {}
        #: What the settings leave out, and how many steps of this run had nothing to do for that.
        self.not_configured: Counter[Absent] = Counter()
        #: What is waited for: the options with which a person would decide, by the step's id.
        self.undecided: dict[str, tuple[str, ...]] = {}
        self._step_outcome = Outcome.PASSED
        self._step_detail = self._next_step = ""
        self._step_began: float | None = None
        self._step_may_change = False
        #: What the open step did that goes on record: looks, facts, decisions, changes.
        self._step_did: set[str] = set()

    def go_on_from(self, entries: Sequence[Entry], *, elsewhere: bool = False) -> None:
        """Take up what earlier runs of this incident pinned, decided, changed and told.

        Nothing is pinned where it goes `elsewhere` by now, to another target, and has changed nothing yet.
        """
        self.facts = Facts.of(entries, ("overrides",) if elsewhere else _PINNED)
        looks = (entry for entry in entries if entry["kind"] == "fact" and entry["name"] == "before")
        if not elsewhere and (first := next(looks, None)):
            self.facts.first_seen = Facts.of([first]).before
        for entry in entries:
            if entry["kind"] != "action":
                continue
            if entry["scope"] == Scope.PRODUCTION and entry["state"] == "begun":
                self._note_change(entry)
            elif entry["scope"] == Scope.PEOPLE and entry["state"] == "done":
                self._told[same_change(entry)] = entry["time"]
        if not self.changes_made:
            # Nothing is lost by looking again: what is there is what was there before any change.
            self.facts.drop("before")

    # -- what the record keeps ---------------------------------------------------------------------------------

    def record_fact(self, name: str, value: Any) -> None:
        """Keep a fact, for later steps and, under `name`, for the record.

        Raises KeyError when there is no such fact, and pydantic.ValidationError when `value` is none of that name.
        """
        self._step_did.add("fact")
        self.journal.write("fact", name=name, value=self.facts.put(name, value))

    def confirm(self, name: str) -> None:
        """Say that the fact `name`, which an earlier run of this incident put on record, is what counts."""
        self._step_did.add("fact")
        self.journal.write("confirmed", name=name)
        self._conclude(Outcome.PASSED, f"as an earlier run of this incident found: {name}")

    def errors_before(self) -> Mapping[str, int] | None:
        """The errors in the failed release's logs, by signature; None where no other release than the target failed."""
        origin = self.facts.origin
        if origin is None or origin.tags == (self.facts.target_tag,) or isinstance(origin.log_errors, Unknown):
            return None
        return origin.log_errors

    def record_decision(  # noqa: PLR0913 - each is a member of the entry
        self,
        question: Question,
        text: str,
        answer: str,
        evidence: list[str],
        *,
        about: str = "",
        option: Sequence[str] = (),
        **more: Any,
    ) -> None:
        """Keep a decision with the evidence it rests on; `more` are parts of it that the page shows by themselves.

        `text` is the question in words. `about` is what it is about where the same question is decided for several
        things, a step's id say. `option` is what a person typed to decide it; empty where the runbook decided.
        """
        self._step_did.add("decision")
        told: dict[str, Any] = {name: value for name, value in ({"about": about} | more).items() if value}
        if option:
            told["option"] = list(option)
        self.journal.write(
            "decision",
            question=question,
            text=text,
            answer=answer,
            by_human=bool(option),
            evidence=evidence,
            **told,
        )

    # -- what steps do -------------------------------------------------------------------------------------

    def take(self, handed: object, host: Host) -> None:
        """Carry out the Action, or make the Check, that the function of the open step has handed over.

        A Given is looked at in a plan too, a Then only where no change was planned. Raises as `execute`, `verify` and
        `expect` do, and StepError for anything else than these two; None is what a function has done by itself.
        """
        if isinstance(handed, Action | Check) and handed.not_configured:
            self._step_did |= {"action", "check"}
            self.not_configured[handed.not_configured] += 1
            self._conclude(Outcome.NOT_CONFIGURED, handed.not_configured.told)
        elif isinstance(handed, Action):
            self.execute(handed, host)
        elif isinstance(handed, Check):
            (self.expect if handed.afterwards or self._keyword == "Then" else self.verify)(handed)
        elif handed is not None:
            raise StepError(
                f"the step's function handed over {type(handed).__name__}, and an Action or a Check was expected",
                "let it return one of them",
            )

    def execute(self, change: Action, host: Host) -> None:
        """Make a change, or, in a plan, write down exactly what would be done.

        What is so already is recorded as such and not done again. The intent is on the disk before the first
        action begins. Raises StepError in a step that may not change anything, and whatever the action raises.
        """
        if self.step_is_open and not self._step_may_change:
            raise StepError(
                f"a step that only looks was about to make a change: {change.summary}",
                "bind it to When, and annotate its function with -> Action",
            )
        self._step_did.add("action")
        about, planned = change.members, change.planned
        if (self.planned_changes == 0 or change.does_nothing) and (evidence := self._already(change)):
            self._conclude(Outcome.PASSED, f"already so: {evidence}")
            self.listener.changed(change.summary, change.scope, "already so")
            self.journal.write("action", state="already so", evidence=evidence, sync=True, **about)
            change.record()
            self.watching(change, "already so")
            return
        if self.planned_changes or not self.mode.allows(change.scope):
            self.planned_changes += 1
            message = [message_told(change.name, planned["message"])] if change.message else []
            self._conclude(Outcome.PLANNED, "\n".join(("would do:", *planned["commands"], *message)))
            self.listener.changed(change.summary, change.scope, "planned")
            self.journal.write("action", state="planned", **planned, **about)
            return
        self.permit(change)
        self.before_change()  # before the intent as well: what may not be begun is not on record as begun
        self.journal.write("action", state="begun", sync=True, **planned, **about)
        if change.scope is Scope.PRODUCTION:
            self._note_change(about)
        self.watching(change, "begun")
        self.listener.changing(change.summary, change.scope, change.longest)
        began = time.monotonic()
        receipts: list[str] = []
        try:
            with self.acting(), change.during():
                receipts += self._made(change, host)
        finally:
            self.look_anew()
        self._conclude(Outcome.PASSED, "; ".join(receipts) or change.summary)
        seconds = round(time.monotonic() - began, 3)
        self.journal.write("action", state="done", seconds=seconds, receipts=receipts, sync=True, **about)
        self.listener.changed(change.summary, change.scope, "done")
        change.record()
        self.watching(change, "done")

    def _made(self, change: Action, host: Host) -> Iterator[str]:
        """Make the change piece by piece, and yield the receipts."""
        if change.call is not None:
            self._about_to_change()
            yield change.call.make()
        for command in change.commands:
            self._about_to_change()
            host.check(command)
        if change.message is not None:
            self._about_to_change()
            yield change.message.send()

    def _about_to_change(self) -> None:
        self.before_change()
        self.look_anew()

    def _note_change(self, entry: Mapping[str, Any]) -> None:
        if same_change(entry) not in self._changed:
            self._changed.add(same_change(entry))
            self.changes_made.append(entry["summary"])

    def _already(self, change: Action) -> str | None:
        told = self._told.get(same_change(change.members))
        if told:
            return f"an earlier run of this incident did it at {told}"
        found: list[str | None] = []

        def observe() -> Observation:
            self.look_anew()
            found.append(change.already())
            return Observation(ok=True, seen="")

        with self._one_look() as patience:
            waited = wait_for(Check(change.summary, observe, ""), waker=self.waker, patience=patience)
        if waited.unknown:
            raise waited.unknown
        return found[-1]

    @property
    def patience(self) -> float:
        """For how long, in seconds, a command that looks is asked again; 0 in a look, which is repeated as a whole."""
        return 0.0 if _LOOKING.get() else self._patience

    @property
    def _patience(self) -> float:
        return self.no_answer if self.changes_made else min(self.no_answer, _NO_HURRY_YET)

    @contextmanager
    def _one_look(self) -> Iterator[float]:
        """Meanwhile what gives no answer is repeated by the one who waits, for as long as this gives."""
        before = _LOOKING.set(True)
        try:
            yield self._patience
        finally:
            _LOOKING.reset(before)

    @property
    def has_changed_nothing(self) -> bool:
        """Whether this run is one that may change production, and neither it nor one before it has begun to."""
        return self.mode is not Mode.VALIDATE and not self.changes_made

    def look_ahead(self, checks: Iterable[Check], looks: Mapping[Any, Callable[[], Any]] | None = None) -> None:
        """Begin to look at what later steps will look at, all at the same time; each step takes its own result.

        No two of `checks` may expect the same. `looks` are parts of steps, which take them by their names
        (`ahead.found`). Only what reads, and puts nothing on record by itself, may be looked at ahead.
        """
        # An event wakes one who waits, and that is who carries out the steps.
        begun: dict[Any, Callable[[], Any]] = {
            check.expected: partial(self._looked_at, check, None) for check in checks
        }
        self.ahead.begin(begun | dict(looks or {}))

    def _looked_at(self, check: Check, waker: Waker | None) -> Waited:
        with nullcontext(0.0) if check.one_look else self._one_look() as patience:
            return wait_for(self._anew(check), waker=waker, patience=patience)

    def _anew(self, check: Check) -> Check:
        """The same check, each look of which begins with nothing that was seen before."""

        def observe() -> Observation:
            self.look_anew()
            return check.observe()

        return replace(check, observe=observe)

    def expect(self, check: Check) -> None:
        """Look until it is as expected, or, behind a change that was only planned, write down what would be looked at.

        Raises CheckFailed when it is not so by the deadline, and Inconclusive when it could not be looked at.
        """
        if self.planned_changes:
            self._step_did.add("check")
            within = f" within {check.deadline:g} s" if check.deadline else ""
            self._conclude(Outcome.PLANNED, f"would check{within}: {check.expected}")
            self.journal.write("check", expected=check.expected, deadline=check.deadline, state="planned")
            return
        self.verify(check)

    def verify(self, check: Check) -> None:
        """Look until it is as expected, in a plan as well. Raises as `expect` does."""
        self._step_did.add("check")
        self.listener.expecting(check.expected, check.deadline)
        waited = self.ahead.found(check.expected, partial(self._looked_at, check, self.waker))
        self.journal.write(
            "check",
            expected=check.expected,
            deadline=check.deadline,
            state="unknown" if waited.unknown else "so" if waited.seen.ok else "not so",
            seen=waited.seen.seen,
            looks=waited.looks,
            seconds=round(waited.seconds, 3),
        )
        if waited.unknown:
            self._vouched_for(check, waited.unknown)
            return
        if not waited.seen.ok:
            # One look may take long, and was not waited for: a plan and its execution say it in the same words.
            after = f" after {waited.seconds:.0f} s" if check.deadline and waited.seconds >= 1 else ""
            seen = f"expected {check.expected}; seen{after}: {waited.seen.seen}"
            if check.decided_by:
                self.undecided[self._step_id] = check.decided_by
                self.record_fact("undecided", dict(self.undecided))
            if self.mode is Mode.PLAN and check.decided_by:
                self._conclude(Outcome.PLANNED, f"DECISION NEEDED: {seen}", check.next_step)
                return
            if check.acceptable and not check.decided_by and self._accepted(seen, Outcome.FAILED):
                return
            raise CheckFailed(seen, self._with_way_on(check))
        self._conclude(Outcome.PASSED, waited.seen.seen)

    def _vouched_for(self, check: Check, unknown: Inconclusive) -> None:
        """Go on if a person vouched for this step (`--override`); raise Inconclusive otherwise."""
        seen = f"expected {check.expected}; {unknown.seen}"
        if not check.vouchable:
            raise Inconclusive(seen, unknown.next_step)
        if not self._accepted(seen, Outcome.INCONCLUSIVE):
            way_on = self.overriding(self._step_id)
            raise Inconclusive(seen, f"{unknown.next_step}; or, if you know that it is so: {way_on}")

    def _accepted(self, seen: str, outcome: Outcome) -> bool:
        """Tell whether a person accepted what was seen of this step, and put on record who, and why."""
        override = self.facts.overrides.get(self._step_id)
        if override is None:
            return False
        self.vouched[self._step_id] = override.model_dump()
        verb, what = ("accepts", "is not so") if outcome is Outcome.FAILED else ("vouches for", "is not known")
        word = f"{override.by} {verb} it: {override.because}"
        self.record_decision(
            Question.OVERRIDE,
            f"{self._step_id}: may the run go on although this {what}?",
            "yes",
            [word, seen],
            about=self._step_id,
            option=("--override", self._step_id),
        )
        self._conclude(outcome, f"{seen}; {word}")
        return True

    def _with_way_on(self, check: Check) -> str:
        """What to do, and the way on for who knows better: where users may wait for it, or the check may err."""
        wanted = self.urgent or check.arguable or (self.mode is not Mode.PLAN and self.changes_made)
        if not wanted or check.decided_by or not check.acceptable:
            return check.next_step
        return f"{check.next_step}; or, if you know better, go on with {self.overriding(self._step_id)}"

    def _conclude(self, outcome: Outcome, detail: str, next_step: str = "") -> None:
        self._step_outcome, self._next_step = outcome, next_step
        self._step_detail = f"{self._step_detail}\n{detail}" if self._step_detail else detail

    def step_began(self, facts: Mapping[str, Any], *, may_change: bool = False) -> None:
        """Open a step, with its `id`, `keyword` and `text`; on the disk before anything in it happens.

        Only one that may change carries out changes.
        """
        self.look_anew()
        self._step_outcome, self._step_detail, self._next_step = Outcome.PASSED, "", ""
        self._step_may_change, self._step_did = may_change, set()
        self._step_id, self._keyword = str(facts["id"]), str(facts["keyword"])
        self.journal.write("step began", sync=True, **facts)
        self._step_began = time.monotonic()

    def join(self, lead: "Executor") -> None:
        """Take part in the step that `lead`, which works on another host, has open."""
        vars(self).update({name: vars(lead)[name] for name in _OF_THE_STEP})
        self._step_outcome, self._step_detail, self._next_step = Outcome.PASSED, "", ""

    def conclude_as(self, told: Mapping[str, "Executor"]) -> None:
        """Say of the open step what came of it on each host, by the host's name: this one's among them."""
        ended = [(name, vars(each)["_step_outcome"], vars(each)["_step_detail"]) for name, each in told.items()]
        helps = [vars(each)["_next_step"] for each in told.values()]
        outcome = next((outcome for _, outcome, _ in ended if outcome is not Outcome.PASSED), Outcome.PASSED)
        self._step_detail = ""
        lines = [f"{name}: {detail}" for name, _, detail in ended if detail]
        self._conclude(outcome, "\n".join(lines), next(filter(None, helps), ""))

    @property
    def step_id(self) -> str:
        """The id of the step that was opened last."""
        return self._step_id

    @property
    def step_is_open(self) -> bool:
        """Tell whether a step has begun and not ended."""
        return self._step_began is not None

    def check_step(self) -> None:
        """Raise Inconclusive when the open step has done nothing yet: that it came to its end proves nothing."""
        if self._step_may_change and "action" not in self._step_did:
            raise Inconclusive(
                "nothing was done: the step came to its end without a change, done, planned or already so",
                "let its function return an Action",
            )
        if not self._step_did:
            raise Inconclusive(
                "it looked at nothing: the step came to its end without a look, a fact or a decision on record",
                "let its function return a Check",
            )

    def step_ended(self, error: BaseException | None = None) -> "StepEnded":
        """Close the step that is open, and return how it ended."""
        seconds = time.monotonic() - (self._step_began or time.monotonic())
        self._step_began = None
        outcome, detail, next_step = self._step_outcome, self._step_detail, self._next_step
        if error is not None:
            outcome, detail, next_step = outcome_of(error), str(error) or type(error).__name__, ""
        if isinstance(error, RunbookError):
            detail, next_step = error.seen, error.next_step
        # Whoever shows it may break it into lines, and a broken secret is not recognised any more.
        detail, next_step = self.journal.redactor.text(detail), self.journal.redactor.text(next_step)
        self.journal.write(
            "step ended",
            sync=True,
            outcome=outcome,
            detail=detail,
            next_step=next_step,
            seconds=round(seconds, 3),
        )
        return StepEnded(outcome, detail, next_step, seconds)


class StepEnded(NamedTuple):
    """How a step ended: what was seen or done, in words, what helps if it stopped, and how long it took."""

    outcome: Outcome
    detail: str
    next_step: str
    seconds: float


def _option(step_id: str) -> str:
    return f'--override {step_id} --because "…"'


def outcome_of(error: BaseException) -> Outcome:
    """Which outcome an exception stands for."""
    if isinstance(error, Inconclusive):
        return Outcome.INCONCLUSIVE
    return Outcome.FAILED if isinstance(error, Exception) else Outcome.INTERRUPTED
