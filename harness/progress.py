"""What the terminal shows while the runbook runs: a line for each sentence, with the time and the outcome."""

import shlex
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from harness.compat import CaptureManager, TerminalReporter
from harness.options import Run
from runbook.incident.incident import Incident, Mode
from runbook.sentence import Outcome

_MARKS = {
    Outcome.PASSED: ("ok", {"green": True}),
    Outcome.FAILED: ("FAILED", {"red": True, "bold": True}),
    Outcome.INCONCLUSIVE: ("UNKNOWN", {"yellow": True, "bold": True}),
    Outcome.PLANNED: ("plan", {"cyan": True}),
    Outcome.NOT_APPLICABLE: ("left out", {"yellow": True}),
    Outcome.INTERRUPTED: ("STOPPED", {"red": True, "bold": True}),
}
_WIDTH = 68


class Progress:
    """Writes the progress of one run through pytest's terminal reporter."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: TerminalReporter = config.pluginmanager.getplugin("terminalreporter")
        self._capture: CaptureManager = config.pluginmanager.getplugin("capturemanager")
        self._chapter = ""
        self._sentence = ""
        self._failures: list[str] = []

    def opened(self, run: Run) -> None:
        """Say what this run is and whether it may change production."""
        does = {
            Mode.PLAN: "changes nothing (a plan)" if run.kind == "plan" else "changes nothing",
            Mode.EXECUTE: "CHANGES this production",
        }[run.mode]
        self._line(f"{run.kind.upper()} of {run.settings.project.name} — {does}", bold=True)
        self._line(f"incident {run.incident}")

    def scenario_began(self, chapter: str, scenario: str) -> None:
        """Show the chapter when it is a new one, and the scenario."""
        if chapter != self._chapter:
            self._chapter = chapter
            self._line("")
            self._line(chapter, bold=True)
        self._line(f"  {scenario}")

    def left_out(self, chapter: str, scenario: str, reason: str) -> None:
        """Show a scenario that is not run, and why."""
        self.scenario_began(chapter, scenario)
        self._line(f"    left out: {reason}", yellow=True)

    def sentence_began(self, keyword: str, text: str) -> None:
        """Remember the sentence; on a terminal, show it while it runs."""
        self._sentence = f"{keyword:<5} {text}"
        with self._uncaptured() as terminal:
            if terminal.isatty:
                terminal.rewrite(f"{_now()}     ....    {self._sentence}", erase=True)

    def sentence_ended(self, outcome: Outcome, detail: str, seconds: float) -> None:
        """Show how the sentence ended; what it saw when that is more than a formality."""
        mark, colour = _MARKS[outcome]
        with self._uncaptured() as terminal:
            if terminal.isatty:
                terminal.rewrite("", erase=True)
                terminal.write("\r")
            terminal.write(f"{_now()}     ")
            terminal.write(f"{mark:<8}", **colour)
            terminal.write(f"{self._sentence:<{_WIDTH}} {seconds:6.1f} s\n")
            if outcome is not Outcome.PASSED:
                for line in _laid_out(outcome, detail):
                    terminal.write(f"{'':22}{line}\n", **colour)
        if outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.INTERRUPTED):
            self._failures.append(f"{self._sentence.strip()}: {detail}")

    def closed(self, run: Run, ending: str, incident: Incident) -> None:
        """Say what production is now and what to type next, in the last lines that people read."""
        self._line("")
        changes = incident.changes_made
        after = incident.facts.get("after")
        colour = {"passed": "green", "planned": "cyan"}.get(ending, "red")
        self._line(f"{ending.upper()}: {len(changes) or 'no'} changes made to production", bold=True, **{colour: True})
        for change in changes:
            self._line(f"  - {change}")
        if isinstance(after, dict):
            schema = after["schema"] if isinstance(after["schema"], str) else ", ".join(after["schema"])
            self._line(f"  production runs {', '.join(after['tags'])}; traffic gate {after['gate']}; schema {schema}")
        elif after:
            self._line(f"  production: {after}", red=True)
        elif not changes:
            self._line("  production is as it was")
        for line in _what_next(run, ending, incident):
            self._line(f"  {line}", bold=True)

    def _line(self, text: str, **markup: bool) -> None:
        with self._uncaptured() as terminal:
            terminal.write_line(text, **markup)

    @contextmanager
    def _uncaptured(self) -> Iterator[TerminalReporter]:
        # While a sentence runs, pytest captures what it prints; the progress is not part of that.
        with self._capture.global_and_fixture_disabled():
            yield self._terminal


def _laid_out(outcome: Outcome, detail: str) -> list[str]:
    if outcome is Outcome.PLANNED:
        return detail.splitlines()  # commands stay in one piece, so that they can be copied
    return textwrap.wrap(detail, 96, break_long_words=False, break_on_hyphens=False)


def _what_next(run: Run, ending: str, incident: Incident) -> list[str]:
    target = incident.facts.get("target", {}).get("tag")
    words = ["pytest features"]
    words += [f"--settings {shlex.quote(run.settings_given)}"] if run.settings_given else []
    words += [f"--to {target}"] if target else []
    again = " ".join([*words, f"--execute {run.settings.project.name}"])
    if ending == "planned":
        return [f"to carry it out, type: {again}"]
    if ending == "passed" or not incident.changes_made:
        return []
    after = incident.facts.get("after")
    served = isinstance(after, dict) and after["gate"] == "open" and after["tags"] == [target]
    what = "users are served by the target; what failed comes after that" if served else "USERS MAY BE KEPT OUT"
    return [what, f"to go on, type: {again}    (what is done already is not done twice)"]


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%SZ")
