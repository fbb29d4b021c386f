"""What the terminal shows while the runbook runs: a line for each sentence, with the time and the outcome."""

import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from harness.compat import CaptureManager, TerminalReporter
from harness.options import Run
from runbook.incident.incident import Mode
from runbook.incident.visible import visible
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
_INDENT = 22


class Progress:
    """Writes the progress of one run through pytest's terminal reporter."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: TerminalReporter = config.pluginmanager.getplugin("terminalreporter")
        self._capture: CaptureManager = config.pluginmanager.getplugin("capturemanager")
        self._chapter = ""
        self._sentence = ""

    def opened(self, run: Run) -> None:
        """Say what this run is and whether it may change production."""
        does = {
            Mode.PLAN: "changes nothing",
            Mode.EXECUTE: "CHANGES this production",
        }[run.mode]
        with self._uncaptured() as terminal:
            terminal.ensure_newline()
        self._line(f"{run.kind.upper()} of {run.settings.project.name} — {does}", bold=True)
        self._line(f"incident {run.incident}{', resumed' if run.earlier else ''}")

    def note(self, text: str) -> None:
        """Show something that is no sentence."""
        self._line(f"{_now()}     {text}", yellow=True)

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
                terminal.rewrite(f"{_now()}     ....    {self._sentence}"[: self._width - 1], erase=True)

    def sentence_ended(self, outcome: Outcome, detail: str, seconds: float) -> None:
        """Show how the sentence ended; what it saw when that is more than a formality."""
        mark, colour = _MARKS[outcome]
        with self._uncaptured() as terminal:
            if terminal.isatty:
                terminal.rewrite("", erase=True)
                terminal.write("\r")
            terminal.write(f"{_now()}     ")
            terminal.write(f"{mark:<8}", **colour)
            # On a narrow screen one sentence a line matters more than how long it took.
            room = self._width - _INDENT - 10
            took = f" {seconds:6.1f} s" if room >= len(self._sentence) else ""
            terminal.write(f"{self._sentence:<{min(room, _WIDTH) if took else 0}}{took}\n")
            if outcome is not Outcome.PASSED:
                for line in self._laid_out(outcome, visible(detail)):
                    terminal.write(f"{'':{_INDENT}}{line}\n", **colour)

    def closed(self, lines: list[str]) -> None:
        """Write the last lines, the first of them in bold."""
        self._line("")
        for number, line in enumerate(lines):
            self._line(line, bold=number == 0)

    def _laid_out(self, outcome: Outcome, detail: str) -> list[str]:
        if outcome is Outcome.PLANNED:
            return detail.splitlines()  # commands stay in one piece, so that they can be copied
        return textwrap.wrap(detail, self._width - _INDENT - 1, break_long_words=False, break_on_hyphens=False)

    @property
    def _width(self) -> int:
        return max(60, shutil.get_terminal_size((120, 24)).columns if self._terminal.isatty else 120)

    def _line(self, text: str, **markup: bool) -> None:
        with self._uncaptured() as terminal:
            terminal.write_line(visible(text), **markup)

    @contextmanager
    def _uncaptured(self) -> Iterator[TerminalReporter]:
        # While a sentence runs, pytest captures what it prints; the progress is not part of that.
        with self._capture.global_and_fixture_disabled():
            yield self._terminal


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%SZ")
