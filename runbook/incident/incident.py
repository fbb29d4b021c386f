"""One run on one production: it carries out changes, holds expectations against what is seen, and keeps both."""

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from runbook.errors import CheckFailed, Inconclusive, SentenceError
from runbook.host import Command, Completed, Host
from runbook.incident.journal import Journal
from runbook.probes import Answer
from runbook.sentence import Change, Expectation, Outcome, Reach
from runbook.waiting import wait_for

#: As much of one stream of a command's output as the journal keeps, in characters: the last ones, which hold the error.
KEPT_OUTPUT = 64 * 1024
_KEPT_BODY = 4 * 1024


class Mode(StrEnum):
    """What a run may do: show what it would do, or do it."""

    PLAN = "plan"
    EXECUTE = "execute"


class Incident:
    """One run on one production."""

    def __init__(self, name: str, mode: Mode, journal: Journal) -> None:
        self.name = name
        self.mode = mode
        self.journal = journal
        self.facts: dict[str, Any] = {}
        #: Since a change was only planned, production is no longer what later sentences speak of.
        self.planned_changes = 0
        #: Changes to production that were really begun, by their summary.
        self.changes_made: list[str] = []
        self._sentence_outcome = Outcome.PASSED
        self._sentence_detail = ""
        self._sentence_began: float | None = None
        self._sentence_may_change = False
        #: What the open sentence did that goes on record: looks, facts, decisions, changes.
        self._sentence_did: set[str] = set()

    # -- what the record keeps ---------------------------------------------------------------------------------

    def learn(self, name: str, value: Any) -> None:
        """Keep a fact under `name`, for later sentences and for the record."""
        self._sentence_did.add("fact")
        self.facts[name] = value
        self.journal.write("fact", name=name, value=value)

    def errors_before(self) -> Mapping[str, int] | None:
        """The errors in the failed release's logs, by signature; None where no other release than the target failed."""
        origin, target = self.facts.get("origin", {}), self.facts.get("target", {})
        if not origin or origin["tags"] == [target.get("tag")]:
            return None
        counts = origin["log_errors"]
        return counts if isinstance(counts, Mapping) else None

    def decide(self, question: str, answer: str, evidence: list[str]) -> None:
        """Keep a decision with the evidence it rests on."""
        self._sentence_did.add("decision")
        self.journal.write("decision", question=question, answer=answer, evidence=evidence)

    def command_ended(self, completed: Completed) -> None:
        """Keep a command that ended (the host calls this)."""
        secret = completed.command.secret_output
        self.journal.write(
            "command",
            command=str(completed.command),
            directory=completed.command.directory,
            stdin_bytes=len(completed.command.stdin) if completed.command.stdin is not None else None,
            exit_code=completed.exit_code,
            seconds=round(completed.seconds, 3),
            stdout=self._kept(completed.stdout, secret=secret),
            stderr=self._kept(completed.stderr, secret=False),
        )

    def command_stopped(self, command: Command, why: str) -> None:
        """Keep a command that did not end by itself, or never began (the host calls this)."""
        self.journal.write("command", command=str(command), directory=command.directory, stopped=why)

    def exchanged(self, method: str, url: str, sent: Any, answer: Answer | str) -> None:
        """Keep an HTTP exchange, or the reason why there was none (the prober calls this). Headers are not kept."""
        facts: dict[str, Any] = {"method": method, "url": url, "sent": sent}
        if isinstance(answer, str):
            facts["error"] = answer
        else:
            facts |= {
                "status": answer.status,
                "seconds": round(answer.seconds, 3),
                "body": self.journal.redactor.text(answer.body)[:_KEPT_BODY],
                "body_characters": len(answer.body),
            }
        self.journal.write("exchange", **facts)

    # -- what sentences do -------------------------------------------------------------------------------------

    def carry_out(self, change: Change, host: Host) -> None:
        """Make a change, or, in a plan, write down exactly what would be done.

        What is so already is recorded as such and not done again. The intent is on the disk before the first
        action begins. Raises SentenceError in a sentence that may not change anything, and whatever the action raises.
        """
        if self.sentence_is_open and not self._sentence_may_change:
            raise SentenceError(
                f"a sentence that is not declared a change was about to make one: {change.summary}",
                "bind it to When and mark its function with @changes",
            )
        self._sentence_did.add("change")
        actions = [str(action) for action in change.actions]
        about: dict[str, Any] = {"summary": change.summary, "reach": change.reach}
        if self.planned_changes == 0 and (evidence := change.already()):
            self._conclude(Outcome.PASSED, f"already so: {evidence}")
            self.journal.write("change", state="already so", evidence=evidence, sync=True, **about)
            return
        if self.mode is Mode.PLAN and (self.planned_changes or change.reach is not Reach.NOTES):
            self.planned_changes += 1
            self._conclude(Outcome.PLANNED, "\n".join(("would do:", *actions)))
            self.journal.write("change", state="planned", actions=actions, **about)
            return
        self.journal.write("change", state="begun", actions=actions, sync=True, **about)
        if change.reach is Reach.PRODUCTION:
            self.changes_made.append(change.summary)
        began = time.monotonic()
        receipts = []
        for action in change.actions:
            if isinstance(action, Command):
                host.check(action)
            else:
                receipts.append(action.send())
        self._conclude(Outcome.PASSED, "; ".join(receipts) or change.summary)
        seconds = round(time.monotonic() - began, 3)
        self.journal.write("change", state="done", seconds=seconds, receipts=receipts, sync=True, **about)

    def expect(self, expectation: Expectation) -> None:
        """Look until it is as expected, or, behind a change that was only planned, write down what would be looked at.

        Raises CheckFailed when it is not so by the deadline, and Inconclusive when it could not be looked at.
        """
        if self.planned_changes:
            self._sentence_did.add("look")
            within = f" within {expectation.deadline:g} s" if expectation.deadline else ""
            self._conclude(Outcome.PLANNED, f"would check{within}: {expectation.expected}")
            self.journal.write("look", expected=expectation.expected, deadline=expectation.deadline, state="planned")
            return
        self.verify(expectation)

    def verify(self, expectation: Expectation) -> None:
        """Look until it is as expected, in a plan as well. Raises as `expect` does."""
        self._sentence_did.add("look")
        waited = wait_for(expectation)
        self.journal.write(
            "look",
            expected=expectation.expected,
            deadline=expectation.deadline,
            state="unknown" if waited.unknown else "so" if waited.seen.ok else "not so",
            seen=waited.seen.seen,
            looks=waited.looks,
            seconds=round(waited.seconds, 3),
        )
        if waited.unknown:
            raise Inconclusive(f"expected {expectation.expected}; {waited.unknown.seen}", waited.unknown.next_step)
        if not waited.seen.ok:
            after = f" after {waited.seconds:.0f} s" if waited.seconds >= 1 else ""
            raise CheckFailed(
                f"expected {expectation.expected}; seen{after}: {waited.seen.seen}", expectation.next_step
            )
        self._conclude(Outcome.PASSED, waited.seen.seen)

    def _kept(self, stream: bytes, *, secret: bool) -> dict[str, Any]:
        if secret:
            return {"bytes": len(stream), "kept": "(kept off the record)"}
        # Struck out before it is cut: half of a secret is not recognised any more.
        text = self.journal.redactor.text(stream.decode("utf-8", errors="replace"))
        return {"bytes": len(stream), "kept": text[-KEPT_OUTPUT:]}

    def _conclude(self, outcome: Outcome, detail: str) -> None:
        self._sentence_outcome = outcome
        self._sentence_detail = f"{self._sentence_detail}\n{detail}" if self._sentence_detail else detail

    def sentence_began(self, facts: Mapping[str, Any], *, may_change: bool = False) -> None:
        """Open a sentence; on the disk before anything in it happens. Only one that may change carries out changes."""
        self._sentence_outcome, self._sentence_detail = Outcome.PASSED, ""
        self._sentence_may_change, self._sentence_did = may_change, set()
        self._sentence_began = time.monotonic()
        self.journal.write("sentence began", sync=True, **facts)

    @property
    def sentence_is_open(self) -> bool:
        """Tell whether a sentence has begun and not ended."""
        return self._sentence_began is not None

    def check_sentence(self) -> None:
        """Raise Inconclusive when the open sentence has done nothing yet: that it came to its end proves nothing."""
        if self._sentence_may_change and "change" not in self._sentence_did:
            raise Inconclusive(
                "nothing was done: the sentence came to its end without a change, done, planned or already so",
                "have its function hand a Change to carry_out",
            )
        if not self._sentence_did:
            raise Inconclusive(
                "it looked at nothing: the sentence came to its end without a look, a fact or a decision on record",
                "have its function hand an Expectation to verify or expect",
            )

    def sentence_ended(self, error: BaseException | None = None) -> tuple[Outcome, str, float]:
        """Close the sentence that is open, and return its outcome, its detail in words, and its seconds."""
        seconds = time.monotonic() - (self._sentence_began or time.monotonic())
        self._sentence_began = None
        outcome, detail = self._sentence_outcome, self._sentence_detail
        if error is not None:
            outcome, detail = outcome_of(error), str(error) or type(error).__name__
        # Whoever shows it may break it into lines, and a broken secret is not recognised any more.
        detail = self.journal.redactor.text(detail)
        self.journal.write("sentence ended", sync=True, outcome=outcome, detail=detail, seconds=round(seconds, 3))
        return outcome, detail, seconds


def outcome_of(error: BaseException) -> Outcome:
    """Which outcome an exception stands for."""
    if isinstance(error, Inconclusive):
        return Outcome.INCONCLUSIVE
    return Outcome.FAILED if isinstance(error, Exception) else Outcome.INTERRUPTED
