"""The executor of one run on one production: it carries out actions, makes checks, and records both."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from runbook.actions import Action, Check, Observation, Outcome, Question, Scope, message_told, nothing, same_change
from runbook.errors import CheckFailed, Inconclusive, StepError
from runbook.hosts.host import Host
from runbook.incident.facts import Facts
from runbook.incident.looking import Looking
from runbook.incident.open_step import OpenStep, StepEnded
from runbook.incident.production_facts import Unknown
from runbook.journal.journal import Entry, Journal
from runbook.polling import wait_for
from runbook.settings.absent import Absent

#: The facts that a resumed incident takes from its journal. Everything else is read again.
_PINNED = frozenset((
    "before", "origin", "target", "schema", "together", "configuration drift", "configuration to restore",
    "target migrations", "failed migrations", "verdict", "bridge", "strategy", "switchover", "loss",
    "loss accepted", "restore point", "kept rows", "schema before", "to restore", "restored", "switch",
    "ticket", "overrides",
))  # fmt: skip


class Mode(StrEnum):
    """The mode of a run: plan, validate the running release, or execute."""

    PLAN = "plan"
    VALIDATE = "validate"
    EXECUTE = "execute"

    def allows(self, scope: Scope) -> bool:
        """Return whether a run carries out actions of that scope. It only plans the others."""
        if self is Mode.EXECUTE or scope is Scope.IMAGES:
            return True
        return self is Mode.VALIDATE and scope is Scope.NOTES


class Executor(Looking):
    """One run on one production."""

    def __init__(self, name: str, mode: Mode, journal: Journal) -> None:
        super().__init__(journal)
        self.name = name
        self.mode = mode
        self.facts = Facts()
        #: Once a change is only planned, production is not in the state that later steps expect.
        self.planned_changes = 0
        self._changed: set[tuple[Any, ...]] = set()
        #: Called with each action when it begins, and again when it is done or was already so.
        self.watching: Callable[[Action, str], None] = lambda _change, _state: None
        #: Called with each action before it begins. Raises if this run may not carry it out.
        self.permit: Callable[[Action], None] = lambda _change: None
        #: Called before every change. Raises once this run may change nothing any more.
        self.before_change: Callable[[], None] = nothing
        #: The command that continues in spite of the step with that id.
        self.overriding: Callable[[str], str] = _option
        #: Whether production is being harmed meanwhile, so that even checks before any change may be overridden.
        self.urgent = False
        #: The time at which an earlier run of this incident sent each message.
        self._told: dict[tuple[Any, ...], str] = {}
        #: The step that was opened last.
        self.step = OpenStep()
        #: The overrides used in this run, by the step's id.
        self.vouched: dict[str, Any] = {}
        #: How many steps had nothing to do because a part of the settings is missing, by that part.
        self.not_configured: Counter[Absent] = Counter()
        #: The pending decisions: the options with which a person would decide, by the step's id.
        self.undecided: dict[str, tuple[str, ...]] = {}

    def go_on_from(self, entries: Sequence[Entry], *, elsewhere: bool = False) -> None:
        """Take over what earlier runs of this incident pinned, decided, changed and sent.

        `elsewhere`: the incident has another target by now and has changed nothing, so no fact is pinned.
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
            # Production is still as it was before any change, so a new snapshot loses nothing.
            self.facts.drop("before")

    def record_fact(self, name: str, value: Any) -> None:
        """Record a fact under `name`, for later steps and for the record.

        Raises KeyError for an unknown name, and pydantic.ValidationError for an invalid value.
        """
        self.step.did.add("fact")
        self.journal.write("fact", name=name, value=self.facts.put(name, value))

    def confirm(self, name: str) -> None:
        """Confirm the fact `name` that an earlier run of this incident recorded."""
        self.step.did.add("fact")
        self.journal.write("confirmed", name=name)
        self.step.conclude(Outcome.PASSED, f"as an earlier run of this incident found: {name}")

    def errors_before(self) -> Mapping[str, int] | None:
        """Return the error counts in the failed release's logs, by signature.

        None if they are unknown, or if the failed release is the target.
        """
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
        """Record a decision with its evidence. `more` are parts that the page shows separately.

        `text` is the question in words. `about` is its subject if the same question is decided for several things, for
        example a step's id. `option` is what a person typed to decide it; empty if the runbook decided.
        """
        self.step.did.add("decision")
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

    def take(self, handed: object, host: Host) -> None:
        """Carry out the Action, or make the Check, that the open step's function returned.

        A Given is checked in a plan too, a Then only if no change was planned. None: the function did its work itself.
        Raises what `execute`, `verify` and `expect` raise, and StepError for any other value.
        """
        if isinstance(handed, Action | Check) and handed.not_configured:
            self.step.did |= {"action", "check"}
            self.not_configured[handed.not_configured] += 1
            self.step.conclude(Outcome.NOT_CONFIGURED, handed.not_configured.told)
        elif isinstance(handed, Action):
            self.execute(handed, host)
        elif isinstance(handed, Check):
            (self.expect if handed.afterwards or self.step.keyword == "Then" else self.verify)(handed)
        elif handed is not None:
            raise StepError(
                f"the step's function returned {type(handed).__name__}, expected an Action or a Check",
                "let it return one of them",
            )

    def execute(self, change: Action, host: Host) -> None:
        """Carry out an action or, in a plan, record exactly what it would do.

        An action that is already so is recorded as such and not repeated. The intent is on disk before the first
        command begins. Raises StepError in a step that may not change anything, and whatever the action raises.
        """
        if self.step_is_open and not self.step.may_change:
            raise StepError(
                f"a step that may only look was about to make a change: {change.summary}",
                "bind it to When, and annotate its function with -> Action",
            )
        self.step.did.add("action")
        about, planned = change.members, change.planned
        if (self.planned_changes == 0 or change.does_nothing) and (evidence := self._already(change)):
            self.step.conclude(Outcome.PASSED, f"already so: {evidence}")
            self.listener.changed(change.summary, change.scope, "already so")
            self.journal.write("action", state="already so", evidence=evidence, sync=True, **about)
            change.record()
            self.watching(change, "already so")
            return
        if self.planned_changes or not self.mode.allows(change.scope):
            self.planned_changes += 1
            message = [message_told(change.name, planned["message"])] if change.message else []
            self.step.conclude(Outcome.PLANNED, "\n".join(("would do:", *planned["commands"], *message)))
            self.listener.changed(change.summary, change.scope, "planned")
            self.journal.write("action", state="planned", **planned, **about)
            return
        self.permit(change)
        self.before_change()  # before the intent too: an action that may not begin is not recorded as begun
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
        self.step.conclude(Outcome.PASSED, "; ".join(receipts) or change.summary)
        seconds = round(time.monotonic() - began, 3)
        self.journal.write("action", state="done", seconds=seconds, receipts=receipts, sync=True, **about)
        self.listener.changed(change.summary, change.scope, "done")
        change.record()
        self.watching(change, "done")

    def _made(self, change: Action, host: Host) -> Iterator[str]:
        """Carry out the action part by part, and yield the receipts."""
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

        with self.one_look() as patience:
            waited = wait_for(Check(change.summary, observe, ""), waker=self.waker, patience=patience)
        if waited.unknown:
            raise waited.unknown
        return found[-1]

    @property
    def has_changed_nothing(self) -> bool:
        """Whether this run may change production, but no run of this incident has begun to."""
        return self.mode is not Mode.VALIDATE and not self.changes_made

    def expect(self, check: Check) -> None:
        """Look until it is as expected. After a change that was only planned, record what would be checked.

        Raises CheckFailed if it is not as expected by the deadline, and Inconclusive if it could not be checked.
        """
        if self.planned_changes:
            self.step.did.add("check")
            within = f" within {check.deadline:g} s" if check.deadline else ""
            self.step.conclude(Outcome.PLANNED, f"would check{within}: {check.expected}")
            self.journal.write("check", expected=check.expected, deadline=check.deadline, state="planned")
            return
        self.verify(check)

    def verify(self, check: Check) -> None:
        """Look until it is as expected, in a plan too. Raises as `expect` does."""
        self.step.did.add("check")
        self.listener.expecting(check.expected, check.deadline)
        waited = self.looked_at(check)
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
            # Without a deadline nothing was waited for: plan and execution then print the same words.
            after = f" after {waited.seconds:.0f} s" if check.deadline and waited.seconds >= 1 else ""
            seen = f"expected {check.expected}; seen{after}: {waited.seen.seen}"
            if check.decided_by:
                self.undecided[self.step.id] = check.decided_by
                self.record_fact("undecided", dict(self.undecided))
            if self.mode is Mode.PLAN and check.decided_by:
                self.step.conclude(Outcome.PLANNED, f"DECISION NEEDED: {seen}", check.next_step)
                return
            if check.acceptable and not check.decided_by and self._accepted(seen, Outcome.FAILED):
                return
            raise CheckFailed(seen, self._with_way_on(check))
        self.step.conclude(Outcome.PASSED, waited.seen.seen)

    def _vouched_for(self, check: Check, unknown: Inconclusive) -> None:
        """Continue if a person vouched for this step (`--override`). Raise Inconclusive otherwise."""
        seen = f"expected {check.expected}; {unknown.seen}"
        if not check.vouchable:
            raise Inconclusive(seen, unknown.next_step)
        if not self._accepted(seen, Outcome.INCONCLUSIVE):
            way_on = self.overriding(self.step.id)
            raise Inconclusive(seen, f"{unknown.next_step}; or, if you know that it is so: {way_on}")

    def _accepted(self, seen: str, outcome: Outcome) -> bool:
        """Return whether a person accepted what this step saw, and record who did and why."""
        override = self.facts.overrides.get(self.step.id)
        if override is None:
            return False
        self.vouched[self.step.id] = override.model_dump()
        verb, what = ("accepts", "is not so") if outcome is Outcome.FAILED else ("vouches for", "is not known")
        word = f"{override.by} {verb} it: {override.because}"
        self.record_decision(
            Question.OVERRIDE,
            f"{self.step.id}: may the run go on although this {what}?",
            "yes",
            [word, seen],
            about=self.step.id,
            option=("--override", self.step.id),
        )
        self.step.conclude(outcome, f"{seen}; {word}")
        return True

    def _with_way_on(self, check: Check) -> str:
        """Return the next step, with the override if users may be waiting or the check may be wrong."""
        wanted = self.urgent or check.arguable or (self.mode is not Mode.PLAN and self.changes_made)
        if not wanted or check.decided_by or not check.acceptable:
            return check.next_step
        return f"{check.next_step}; or, if you know better, go on with {self.overriding(self.step.id)}"

    def step_began(self, facts: Mapping[str, Any], *, may_change: bool = False) -> None:
        """Open a step, with its `id`, `keyword` and `text`. It is on disk before anything in it happens.

        Only a step that `may_change` carries out actions.
        """
        self.look_anew()
        self.step = OpenStep(str(facts["id"]), str(facts["keyword"]), may_change)
        self.journal.write("step began", sync=True, **facts)
        self.step.began = time.monotonic()

    def join(self, lead: "Executor") -> None:
        """Take part in the open step of `lead`, which works on another host."""
        self.step = lead.step.joined()

    def conclude_as(self, executors: Mapping[str, "Executor"]) -> None:
        """Combine the results of the open step on all hosts, by the host's name. This executor is among them."""
        steps = {name: each.step for name, each in executors.items()}
        outcome = next((step.outcome for step in steps.values() if step.outcome is not Outcome.PASSED), Outcome.PASSED)
        detail = "\n".join(f"{name}: {step.detail}" for name, step in steps.items() if step.detail)
        next_step = next((step.next_step for step in steps.values() if step.next_step), "")
        self.step = self.step.joined()
        self.step.conclude(outcome, detail, next_step)

    @property
    def step_id(self) -> str:
        """The id of the step that was opened last."""
        return self.step.id

    @property
    def step_is_open(self) -> bool:
        """Whether a step has begun and not ended."""
        return self.step.began is not None

    def check_step(self) -> None:
        """Raise Inconclusive if the open step has done nothing."""
        self.step.check()

    def step_ended(self, error: BaseException | None = None) -> StepEnded:
        """Close the open step, and return its result without secrets."""
        ended = self.step.end(error)
        # The caller may wrap the text into lines, and a wrapped secret is not recognized any more.
        redact = self.journal.redactor.text
        ended = ended._replace(detail=redact(ended.detail), next_step=redact(ended.next_step))
        self.journal.write("step ended", sync=True, **ended._replace(seconds=round(ended.seconds, 3))._asdict())
        return ended


def _option(step_id: str) -> str:
    return f'--override {step_id} --because "…"'
