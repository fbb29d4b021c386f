"""What to type next, after every ending: one complete command, or the reason why there is none.

Terminal and page use this module only. A command that gets users served again comes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook.actions import ActionName
from runbook.command_hints import command, invocation, mark_of, option_words
from runbook.incident.facts import Facts
from runbook.journal.journal import Entry, newest_run
from runbook.journal.of_host import entries_of, hosts_of
from runbook.report.production_view import closing_of, gate, waiting_of
from runbook.report.step_digest import step_digests

_WAITS = ("planned", "decision needed")


@dataclass(frozen=True)
class Next:
    """What to do next, in words, and the command, empty if there is none.

    If this command only gets users served again, `then` is the one that resumes the incident.
    """

    why: str
    command: str = ""
    then: "Next | None" = None

    @property
    def going_on(self) -> "Next":
        """What resumes the incident."""
        return self.then or self


def next_command(entries: Sequence[Entry], *, end_unknown: bool = False) -> Next | None:
    """Return what to type after the newest run in a journal. None if nothing is left to type.

    `end_unknown`: the end of the journal cannot be trusted, so the incident is not resumed from it.
    """
    opened: Mapping[str, Any] = entries[0] if entries else {}
    if opened.get("type") == "unlock" or (end_unknown and opened.get("type") == "validation"):
        return None
    if end_unknown:
        return Next("the outcome is unknown; to check the state of production, type", command(invocation(opened)))
    told = _Told(entries)
    if opened.get("type") == "validation":
        return told.of_validation()
    return told.of_plan() if opened.get("mode") == "plan" else told.of_execution()


def gate_in_words(entries: Sequence[Entry]) -> str:
    """Return who closed or held the gate, and since when. Empty if the gate is open or unknown, by this journal."""
    if hosts := hosts_of(entries):
        told = {host: _gate_in_words(entries_of(entries, host)) for host in hosts}
        return ", ".join(f"{words} on {host}" for host, words in told.items() if words)
    return _gate_in_words(entries)


def _gate_in_words(entries: Sequence[Entry]) -> str:
    if (now := gate(entries)) not in ("closed", "held"):
        return ""
    waits = f" ({waiting_of(entries)})" if now == "held" else ""
    if since := closing_of(entries):
        return f"{now} by this incident since {since[:19]}Z{waits}"
    if under_way := Facts.of(entries, ("open rollback",)).open_rollback:
        return f"{now} by incident {under_way.incident}, which began at {under_way.since[:19]}Z{waits}"
    return f"{now} by someone unknown{waits}"


def abandoning(entries: Sequence[Entry]) -> str:
    """Return the command that removes the target's containers after an interrupted switch beside. Else empty."""
    opened = entries[0] if entries else {}
    begun = {str(entry["action"]) for entry in entries if entry["kind"] == "action" and entry["state"] == "begun"}
    if opened.get("mode") != "execute" or ActionName.START_BESIDE not in begun or ActionName.TAKE_OUT_FAILED in begun:
        return ""
    resume = ("--abandon", "--resume", str(opened.get("incident", "")), "--execute", str(opened.get("project", "")))
    return command(invocation(opened), *resume)


class _Told:
    """The content of a journal that decides what to type next."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._opened = entries[0]
        newest = newest_run(entries)
        self._abandons = bool(newest[0].get("abandons"))
        self._asked: Mapping[str, Any] = newest[0].get("asked_for") or {}
        self._closed = entries[-1] if entries[-1]["kind"] == "closed" else {}
        self._outcome = str(self._closed.get("outcome", "interrupted"))
        self._project = str(self._opened.get("project", ""))
        self._execute = ("--execute", self._project)
        self._facts, facts_now = Facts.of(entries), Facts.of(newest)
        #: If the incident cannot be resumed: why, and the options for a new plan. Else None.
        self._anew = facts_now.begin_anew
        mark = mark_of(str(self._opened.get("type", "")))
        self._marks = ("-m", mark) if mark else ()
        found = facts_now.half_way
        #: The migration that stopped between two revisions and cannot continue from there. Else None.
        self._half_way = found if found and found.between_revisions and found.way_back else None
        self._decided = [option for options in facts_now.undecided.values() for option in options]

    def of_validation(self) -> Next | None:
        """Before a deploy: validate again. After a deploy that does not pass: plan the rollback."""
        before = self._asked.get("release")
        again = self._typed("-m", "pre_deploy" if before else "post_deploy", *option_words(self._asked))
        if self._outcome == "nothing to do":
            return self._validate()
        if self._outcome in ("passed", "planned"):
            return None
        if self._outcome == "interrupted":
            return Next("to validate again, type", again)
        if self._outcome == "decision needed":
            options = _without(option_words(self._asked), self._decided)
            decided = self._typed("-m", "pre_deploy", *options, *self._decided)
            return Next(f"a person must decide before {before} is deployed; to decide, type", decided)
        if before:
            return Next(f"{before} could not be rolled back; once that is fixed, type", again)
        return Next("to plan the rollback, type", self._typed())

    def of_plan(self) -> Next | None:
        if self._outcome == "nothing to do":
            return self._validate()
        if self._outcome in _WAITS:
            asked = {**self._asked, **self._target()}
            options = _without(option_words(asked), self._decided)
            seen = any(each["kind"] == "action" and each["state"] == "planned" for each in self._entries)
            planned = "the planned changes are above" if seen else "leave --execute out to see what would be done"
            why = f"a person must decide; {planned}. If you agree, type"
            return Next(
                why if self._decided else "to carry it out, type",
                self._typed(*self._marks, *options, *self._decided, *self._execute),
            )
        if self._outcome == "interrupted":
            return Next("to plan again, type", self._typed(*self._marks, *option_words(self._asked)))
        return self._planned_anew() or self._under_way() or self._mended()

    def of_execution(self) -> Next | None:
        if self._outcome == "nothing to do":
            return self._validate()
        started = self._start_again()
        if self._outcome == "passed" and not self._closed.get("remaining"):
            return started
        # After a restore, users wait, and people may not have been told yet.
        return replace(started, then=self._go_on()) if started else self._go_on()

    def _go_on(self) -> Next | None:
        """Resume an execution that did not finish."""
        if self._anew or self._half_way:
            return self._planned_anew() or self._brought_back()
        abandoning = ("--abandon",) if self._abandons else ()
        resume = (*self._marks, *abandoning, "--resume", str(self._opened.get("incident", "")))
        if self._decided and self._outcome == "failed":
            changed = "" if self._closed.get("changes_made") else "nothing was changed; "
            return Next(
                f"{changed}a person must decide. If you agree to the planned changes, type",
                self._typed(*resume, *self._decided, *self._execute),
            )
        if not self._closed or self._closed.get("changes_made") or self._outcome != "failed":
            fixed = " after fixing what stopped it" if self._outcome == "failed" else ""
            return Next(
                f"to continue{fixed} (what is done is not done twice), type", self._typed(*resume, *self._execute)
            )
        return self._under_way() or self._mended()

    def _brought_back(self) -> Next | None:
        """Undo a migration that cannot continue."""
        if not self._half_way:
            return None
        why = f"the schema is between two revisions, and the {self._half_way.direction} cannot continue from there"
        return Next(f"{why}; to go back to the state before it, type", self._half_way.way_back)

    def _start_again(self) -> Next | None:
        """Start the application after a restore that left it stopped."""
        restored = self._facts.restored
        if restored is None or not restored.start or not self._facts.left_stopped:
            return None
        at = f" {', '.join(restored.revisions)}" if restored.revisions else ""
        why = f"the application is stopped; once the env file names a release that fits the schema{at}, start it with"
        return Next(why, restored.start)

    def _planned_anew(self) -> Next | None:
        if not self._anew:
            return None
        options = self._anew.options
        name = " (TAG is the release to return to)" if "TAG" in options else ""
        why = f"{self._anew.why}: this incident cannot be resumed"
        return Next(f"{why}; to plan another rollback{name}, type", self._typed(*options))

    def _target(self) -> dict[str, str]:
        """Return the option for the target that the plan found."""
        target = self._facts.target_tag
        return {} if not target or self._marks or self._asked.get("forward_fix") else {"target": target}

    def _under_way(self) -> Next | None:
        """Continue the rollback that this run found under way, and did not continue."""
        under_way = self._facts.open_rollback
        if not under_way or self._marks:
            return None
        then = " once the next step is done" if self._has_next_step else ""
        incident = under_way.incident
        resume = ("--resume", incident) if under_way.recorded_here else ("--to", under_way.target)
        why = f"incident {incident} is under way; to continue it{then}, type"
        return Next(why, self._typed(*resume, *self._execute))

    @property
    def _has_next_step(self) -> bool:
        """Whether the step that stopped the run has a next step, which is shown with it."""
        stopped = [step for step in step_digests(self._entries) if step.stopped]
        return bool(stopped and stopped[0].next_step)

    def _mended(self) -> Next:
        before = "once the next step is done" if self._has_next_step else "once the cause is fixed"
        # A tag that was not found would not be found the next time either.
        untargeted = {} if self._facts.target else {"target": None, "forward_fix": None}
        return Next(
            f"nothing was changed; {before}, plan again with",
            self._typed(*self._marks, *option_words({**self._asked, **untargeted})),
        )

    def _validate(self) -> Next:
        return Next(f"{self._facts.nothing_to_do}; to validate what runs, type", self._typed("-m", "post_deploy"))

    def _typed(self, *options: str) -> str:
        return command(invocation(self._opened), *options)


def _without(options: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the options, each with its value, that are not among the others."""
    pairs = [options[at : at + 2] for at in range(0, len(options), 2)]
    return [word for pair in pairs if pair[0] not in others for word in pair]
