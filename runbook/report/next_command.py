"""What to type next, for every ending: one complete command that leads on, or the word that none does.

Terminal and page ask this function and no other. It looks first at what keeps users from being served: the traffic
gate, and a rollback that is under way; then at how the run ended.
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
from runbook.report.step_digest import in_short

_WAITS = ("planned", "decision needed")


@dataclass(frozen=True)
class Next:
    """What to do next, and the command for it; without one there is none that would lead on.

    `then` is what goes on with the incident, where users come first.
    """

    why: str
    command: str = ""
    then: "Next | None" = None

    @property
    def going_on(self) -> "Next":
        """What goes on with the incident."""
        return self.then or self


def next_command(entries: Sequence[Entry], *, end_unknown: bool = False) -> Next | None:
    """What to type after the run that these entries tell of; None where nothing is left to type.

    `end_unknown` says that the end of the journal cannot be believed: nothing is gone on with from it.
    """
    opened: Mapping[str, Any] = entries[0] if entries else {}
    if opened.get("type") == "unlock" or (end_unknown and opened.get("type") == "validation"):
        return None
    if end_unknown:
        return Next("the outcome is unknown; see what production is now", command(invocation(opened)))
    told = _Told(entries)
    if opened.get("type") == "validation":
        return told.of_validation()
    return told.of_plan() if opened.get("mode") == "plan" else told.of_execution()


def gate_in_words(entries: Sequence[Entry]) -> str:
    """By whom the gate was closed or set to hold, and since when, if it is so as far as is known here; else empty."""
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
    return f"{now} by nobody that this record knows of{waits}"


def abandoning(entries: Sequence[Entry]) -> str:
    """The command that takes the target's containers away again, where a switch beside broke off; else empty."""
    opened = entries[0] if entries else {}
    begun = {str(entry["action"]) for entry in entries if entry["kind"] == "action" and entry["state"] == "begun"}
    if opened.get("mode") != "execute" or ActionName.START_BESIDE not in begun or ActionName.TAKE_OUT_FAILED in begun:
        return ""
    resume = ("--abandon", "--resume", str(opened.get("incident", "")), "--execute", str(opened.get("project", "")))
    return command(invocation(opened), *resume)


class _Told:
    """What the entries of a run tell that decides what is typed next."""

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
        #: Where no `--resume` leads on any more: why, and the options of a plan that would.
        self._anew = facts_now.begin_anew
        mark = mark_of(str(self._opened.get("type", "")))
        self._marks = ("-m", mark) if mark else ()
        found = facts_now.half_way
        #: Where a migration stopped at no revision, from which none goes on.
        self._half_way = found if found and found.stands_between and found.way_back else None
        self._decided = [option for options in facts_now.undecided.values() for option in options]

    def of_validation(self) -> Next | None:
        """Before a deploy the question is asked again; what does not pass after a deploy is to be rolled back."""
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
            return Next(f"{before} could not be rolled back; once that is mended, type", again)
        return Next("to plan the rollback, type", self._typed())

    def of_plan(self) -> Next | None:
        if self._outcome == "nothing to do":
            return self._validate()
        if self._outcome in _WAITS:
            asked = {**self._asked, **self._target()}
            options = _without(option_words(asked), self._decided)
            seen = any(each["kind"] == "action" and each["state"] == "planned" for each in self._entries)
            planned = "what would be done is above" if seen else "leave --execute out to see what would be done"
            why = f"a person must decide; {planned}. If that may be done, type"
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
        # Behind a restore people may not have been told yet, and users wait.
        return replace(started, then=self._go_on()) if started else self._go_on()

    def _go_on(self) -> Next | None:
        """What goes on with an execution that did not come to its end."""
        if self._anew or self._half_way:
            return self._planned_anew() or self._brought_back()
        abandoning = ("--abandon",) if self._abandons else ()
        resume = (*self._marks, *abandoning, "--resume", str(self._opened.get("incident", "")))
        if self._decided and self._outcome == "failed":
            changed = "" if self._closed.get("changes_made") else "nothing was changed; "
            return Next(
                f"{changed}a person must decide. If what would be done may be done, type",
                self._typed(*resume, *self._decided, *self._execute),
            )
        if not self._closed or self._closed.get("changes_made") or self._outcome != "failed":
            mended = ", once what stopped it is mended" if self._outcome == "failed" else ""
            return Next(
                f"to go on{mended} (what is done already is not done twice), type", self._typed(*resume, *self._execute)
            )
        return self._under_way() or self._mended()

    def _brought_back(self) -> Next | None:
        """Bring back how all was before a migration that cannot go on."""
        if not self._half_way:
            return None
        why = f"the schema stands half-way, at no revision, and the {self._half_way.direction} cannot go on from there"
        return Next(f"{why}; to bring back how it was before, type", self._half_way.way_back)

    def _start_again(self) -> Next | None:
        """Behind a restore: the application stands still, and the release that is named must fit the schema."""
        restored = self._facts.restored
        if restored is None or not restored.start or not self._facts.left_stopped:
            return None
        at = f" {', '.join(restored.revisions)}" if restored.revisions else ""
        why = f"the application is stopped; once the env file names a release that fits the schema{at}, start it: type"
        return Next(why, restored.start)

    def _planned_anew(self) -> Next | None:
        if not self._anew:
            return None
        options = self._anew.options
        name = " (TAG is the release to return to)" if "TAG" in options else ""
        why = f"{self._anew.why}: this incident cannot be resumed"
        return Next(f"{why}; to plan another rollback{name}, type", self._typed(*options))

    def _target(self) -> dict[str, str]:
        """The target that a plan found, to be asked for by name."""
        target = self._facts.target_tag
        return {} if not target or self._marks or self._asked.get("forward_fix") else {"target": target}

    def _under_way(self) -> Next | None:
        """Go on with the rollback that this run found under way, and did not get on with."""
        under_way = self._facts.open_rollback
        if not under_way or self._marks:
            return None
        until = f", and stops at the same step until this is done: {helps}" if (helps := self._helps()) else ""
        incident = under_way.incident
        resume = ("--resume", incident) if under_way.recorded_here else ("--to", under_way.target)
        why = f"incident {incident} is under way{until}; {'then ' if until else ''}to continue it, type"
        return Next(why, self._typed(*resume, *self._execute))

    def _helps(self) -> str:
        """What the step that stopped the run says that helps; empty where it says nothing."""
        stopped = [step for step in in_short(self._entries) if step.stopped]
        return stopped[0].next_step if stopped else ""

    def _mended(self) -> Next:
        helps = self._helps()
        # A tag that there is not would not be there the next time either.
        untargeted = {} if self._facts.target else {"target": None, "forward_fix": None}
        return Next(
            "nothing was changed, and no command continues from here"
            f"{f' until this is done: {helps}' if helps else ''}; then plan again with",
            self._typed(*self._marks, *option_words({**self._asked, **untargeted})),
        )

    def _validate(self) -> Next:
        return Next(f"{self._facts.nothing_to_do}; to validate what runs, type", self._typed("-m", "post_deploy"))

    def _typed(self, *options: str) -> str:
        return command(invocation(self._opened), *options)


def _without(options: Sequence[str], others: Sequence[str]) -> list[str]:
    """The options (each with its value) that are not among the others."""
    pairs = [options[at : at + 2] for at in range(0, len(options), 2)]
    return [word for pair in pairs if pair[0] not in others for word in pair]
