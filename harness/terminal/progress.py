"""The progress of a run: one line per finished step, and the live view until then."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from harness.compat import CaptureManager, QuietReporter, live_terminal
from harness.options import Run
from harness.terminal.live_state import LiveState
from harness.terminal.screen import Line, PlainScreen, Screen, Style, allows_live_view
from harness.terminal.text_wrap import broken, command_lines
from runbook.actions import Outcome, Scope
from runbook.errors import with_next_step
from runbook.hosts.command import Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.pull_progress import PullProgress
from runbook.incident.executor import Mode
from runbook.journal.availability import Availability
from runbook.journal.events import EventListener
from runbook.report.plan.model import Plan
from runbook.report.plan.short import Tone, short
from runbook.text import visible

#: Marks each step that changes production, visible without color.
SIGN = "▲"
_MARKS = {
    Outcome.PASSED: ("ok", Style.GOOD),
    Outcome.FAILED: ("FAILED", Style.BAD),
    Outcome.INCONCLUSIVE: ("UNKNOWN", Style.WARNING),
    Outcome.PLANNED: ("plan", Style.PLANNED),
    Outcome.NOT_APPLICABLE: ("left out", Style.WARNING),
    Outcome.NOT_CONFIGURED: ("not set", Style.WARNING),
    Outcome.INTERRUPTED: ("STOPPED", Style.BAD),
}
_DONE = {
    Scope.PRODUCTION: ("CHANGED", Style.CHANGE),
    Scope.IMAGES: ("done", Style.GOOD),
    Scope.NOTES: ("done", Style.GOOD),
    Scope.PEOPLE: ("sent", Style.GOOD),
}
_WIDTH = 68
#: A step with fewer columns is shown without its seconds.
_LEAST = 30
_INDENT = 22
_DETAIL_INDENT = 14
_SHOWN_OUTPUT = 10  # lines
#: The verbosity from which commands are shown. Above it, their output is shown too.
_COMMANDS = 2
_IN_A_LOG = 80  # columns of a plan
_TONES = {
    Tone.PLAIN: Style.PLAIN,
    Tone.HEADING: Style.HEADING,
    Tone.ADDED: Style.GOOD,
    Tone.CHANGED: Style.CHANGE,
    Tone.REMOVED: Style.BAD,
    Tone.DECISION: Style.WARNING,
    Tone.BAD: Style.BAD,
}


class Progress(EventListener):
    """Shows the progress of one run: with the live view on a terminal, otherwise line by line."""

    def __init__(self, config: pytest.Config) -> None:
        terminal: QuietReporter = config.pluginmanager.getplugin("terminalreporter")
        capture: CaptureManager = config.pluginmanager.getplugin("capturemanager")
        self._config = config
        self._terminal = terminal
        self._plain = PlainScreen(terminal, capture)
        self._screen: Screen = self._plain
        self._end_live: Callable[[], None] | None = None
        self._redact: Callable[[str], str] = terminal.redact
        self._verbosity: int = config.option.verbose
        self._plan = self._mute = False
        #: The verbosity from which headings and steps that passed without a change are shown.
        self._all_from = 0
        self._chapter = self._shown_chapter = self._scenario = self._shown_scenario = ""
        self._step = ""
        self._changes: list[tuple[Scope, str]] = []
        #: The planned changes, in words.
        self._would: list[str] = []
        self._commands: list[Completed] = []
        self._requests: list[EngineRequest] = []
        self._has_deadline = False
        self._availability: Callable[[], Availability | None] = lambda: None
        self.now = LiveState()

    def opened(self, run: Run, availability: Callable[[], Availability | None]) -> None:
        """Show what this run is and whether it may change production. On a terminal, start the live view."""
        self._plan = run.mode is not Mode.EXECUTE
        self._mute = self._config.option.json
        self._availability = availability = partial(self._cleaned, availability)
        lives = not self._mute and allows_live_view(self._config, self._terminal, os.environ)
        # A plan shows its findings at its end, and the live view shows the current step.
        self._all_from = 1 if run.is_plan or (lives and not self._plan) else 0
        self._terminal.says_little = self._mute or self._all_from > self._verbosity
        does = "changes nothing" if self._plan else "CHANGES this production"
        self._plain.begin()
        if not run.is_plan or self._shows_all:
            what = "abandoning the switch" if run.abandons else run.kind
            self._say(f"{what.upper()} of {run.settings.project.name} — {does}", Style.HEADING)
        if self._shows_all or not run.is_plan:
            self._opened(run)
        self.now.standing.project = run.settings.project.name
        if lives:
            from harness.terminal.live import LiveView  # noqa: PLC0415 - a log needs no rich

            colour, redact = bool(self._terminal.hasmarkup), self._redact
            live = LiveView(live_terminal(self._config), self.now, availability, colour=colour, redact=redact)
            self._screen, self._end_live = live, live.stop
            live.start()

    def _opened(self, run: Run) -> None:
        if self._verbosity >= 0:
            self._say(f"incident {run.incident}{', resumed' if run.earlier else ''}")
        if self._shows_all:
            self._say(f"{SIGN} marks every step that {'would change' if self._plan else 'changes'} production")

    @property
    def _shows_all(self) -> bool:
        """Whether every step is shown. Otherwise only changes to production and steps that did not pass are."""
        return self._verbosity >= self._all_from

    def ended(self) -> None:
        """Stop the live view, if there is one, and restore the terminal. May be called again."""
        if self._end_live is not None:
            self._screen, end, self._end_live = self._plain, self._end_live, None
            end()

    def closed(self, lines: list[str], measured: str = "") -> None:
        """Write the last lines, the first one in bold, after the `measured` availability."""
        self._say("")
        if measured or self._availability() is not None:
            seen = self._availability()
            unanswered = "no probe of the public address was answered; the run ended before their deadline"
            self._say(measured or unanswered, Style.BAD if seen and seen.down_since is not None else Style.PLAIN)
        for number, line in enumerate(lines):
            self._say(line, Style.PLAIN if number else Style.HEADING)

    def planned(self, plan: Plan, remarks: Sequence[str]) -> None:
        """Write a plan on one screen."""
        width = self._plain.width if self._plain.breaks_lines else _IN_A_LOG
        for line in short(plan, width - 1, remarks=[self._clean(remark) for remark in remarks]):
            if line.tone is not Tone.COMMAND:
                self._say(line.text, _TONES[line.tone])
                continue
            # In a log a command stays on one line, for programs that search it.
            parts = command_lines(line.text, width - 5) if self._plain.breaks_lines else [line.text]
            for part in parts:
                self._say(f"    {part}", Style.HEADING)

    def note(self, text: str) -> None:
        """Show a note between the steps."""
        self._say(f"{_clock()}     {text}", Style.WARNING)

    def scenario_began(self, chapter: str, scenario: str) -> None:
        """Show the chapter, if it is a new one, and the scenario."""
        self._chapter, self._scenario, self._shown_scenario = chapter, scenario, ""
        if self._shows_all:
            self._show_heading()

    def left_out(self, chapter: str, scenario: str, reason: str, *, settled: bool = False) -> None:
        """Show a scenario that is left out, and why. A `settled` one is shown only if everything is."""
        self.scenario_began(chapter, scenario)
        if not self._shows_all and (settled or self._plan):
            return
        self._show_heading()
        self._say(f"    left out: {reason}", Style.WARNING)

    def step_began(self, keyword: str, text: str) -> None:
        """Remember the step. On a terminal, show it while it runs."""
        self._step = self._clean(f"{keyword:<5} {text}")
        self._changes, self._commands, self._requests, self._has_deadline = [], [], [], False
        self._would = []
        self.now.standing.step += 1
        now = self.now
        now.began = time.monotonic()
        now.deadline, now.changes_production, now.doing, now.command, now.pull = 0.0, False, "", "", None
        now.step = self._step

    def step_ended(self, outcome: Outcome, detail: str, next_step: str, seconds: float) -> None:
        """Show the step's outcome, and its observation unless it simply passed."""
        self.now.step = ""
        sign, mark, style = self._mark(outcome)
        passed = outcome in (Outcome.PASSED, Outcome.PLANNED)
        if not self._shows_all and ((passed and not sign.strip()) or self._all_told_at_end):
            return
        self._show_heading()
        head: Line = [(f"{_clock()}   ", Style.PLAIN), (f"{sign} ", Style.CHANGE), (f"{mark:<8}", style)]
        text = f"{self._step} (already so)" if self._was_so else self._step
        room, took = self._screen.width - _INDENT - 10, f" {seconds:6.1f} s"
        if room < _LEAST:
            room, took = room + 3, ""
        first, *others = broken(text, room) if self._screen.breaks_lines else [text]
        self._screen.line([*head, (f"{first:<{min(room, _WIDTH)}}{took}".rstrip(), Style.PLAIN)])
        self._indent([f"      {line}" for line in others], Style.PLAIN, _INDENT)
        if not passed or outcome is Outcome.PLANNED or self._plan or self._verbosity > 0:
            if self._would and outcome is Outcome.PLANNED and self._verbosity < _COMMANDS:
                detail = "\n".join(f"would do: {summary}" for summary in self._would)
            self._details(
                outcome,
                self._clean(with_next_step(detail, next_step)),
                style if not passed or outcome is Outcome.PLANNED else Style.PLAIN,
            )
        if self._verbosity >= _COMMANDS:
            self._show_commands()
            self._show_requests()

    @property
    def _all_told_at_end(self) -> bool:
        return self._plan and self._all_from > 0

    def _mark(self, outcome: Outcome) -> tuple[str, str, Style]:
        mark, style = _MARKS[outcome]
        made = [scope for scope, state in self._changes if state != "already so"]
        if made and outcome is Outcome.PASSED:
            mark, style = _DONE[Scope.PRODUCTION if Scope.PRODUCTION in made else made[-1]]
        return SIGN if Scope.PRODUCTION in made else " ", mark, style

    @property
    def _was_so(self) -> bool:
        return bool(self._changes) and all(state == "already so" for _, state in self._changes)

    def expecting(self, expected: str, deadline: float) -> None:
        """Show what a check waits for, and its deadline."""
        self.now.doing = self._clean(f"expecting {expected}")
        self._count(deadline)

    def changing(self, summary: str, scope: Scope, deadline: float) -> None:
        """Show the action that is running, and its deadline."""
        self._changes.append((scope, "begun"))
        self.now.doing = self._clean(summary)
        self.now.changes_production = self.now.changes_production or scope is Scope.PRODUCTION
        self._count(deadline)

    def _count(self, deadline: float) -> None:
        self._has_deadline = deadline > 0
        self.now.count(deadline)

    def changed(self, summary: str, scope: Scope, state: str) -> None:
        """Remember the state for the step's line."""
        if state == "planned":
            self._would.append(summary)
        if state != "done":  # "done" needs no entry: the change is known since it began
            self._changes.append((scope, state))

    def command_began(self, command: Command) -> None:
        """Show the command, and its deadline unless the step has one."""
        if not self._has_deadline:
            self.now.count(command.deadline)
        self.now.pull = PullProgress() if command.streams_progress else None
        self.now.command = self._clean(str(command))

    def command_progressed(self, command: Command, line: str) -> None:
        """Show the progress of a pull."""
        del command
        if self.now.pull is not None:
            self.now.pull.read_line(line)

    def command_ended(self, completed: Completed) -> None:
        """Keep the command for -vv."""
        self.now.command = ""
        self._commands.append(completed)

    def engine_asked(self, request: EngineRequest) -> None:
        """Keep the request for -vv."""
        self._requests.append(request)

    def _show_requests(self) -> None:
        asked = [(f"{each.method} {each.path}", each) for each in self._requests]
        times, last = Counter(what for what, _ in asked), dict(asked)
        for what, each in last.items():
            often = f", {times[what]} times" if times[what] > 1 else ""
            answer = each.error or f"HTTP {each.status}"
            self._indent([f"{self._clean(what)}  ({self._clean(answer)}, {each.seconds:.3f} s{often})"], Style.PLAIN)

    def _show_commands(self) -> None:
        times = Counter(str(done.command) for done in self._commands)
        last = {str(done.command): done for done in self._commands}
        for command, done in last.items():
            often = f", {times[command]} times" if times[command] > 1 else ""
            self._indent(
                [f"$ {self._clean(command)}  (exit {done.exit_code}, {done.seconds:.1f} s{often})"], Style.PLAIN
            )
            if self._verbosity > _COMMANDS and not done.command.secret_output:
                said = (done.stdout + done.stderr).decode("utf-8", errors="replace")
                self._indent([f"  {line}" for line in self._clean(said).splitlines()[-_SHOWN_OUTPUT:]], Style.PLAIN)

    def _show_heading(self) -> None:
        if self._chapter != self._shown_chapter:
            self._shown_chapter = self._chapter
            self._say("")
            self._say(self._chapter, Style.HEADING)
        if self._scenario != self._shown_scenario:
            self._shown_scenario = self._scenario
            self._say(f"  {self._scenario}")

    def _details(self, outcome: Outcome, detail: str, style: Style) -> None:
        head, _, commands = detail.partition("\n")
        room = self._screen.width - _DETAIL_INDENT - 1
        if not self._screen.breaks_lines:
            # In a log only failures are wrapped: programs may search the rest.
            passed = outcome in (Outcome.PASSED, Outcome.PLANNED)
            self._indent(detail.splitlines() if passed else broken(detail, room), style)
        elif outcome is Outcome.PLANNED and commands:
            self._indent([head, *(line for text in commands.splitlines() for line in command_lines(text, room))], style)
        else:
            self._indent(broken(detail, room), style)

    def _indent(self, lines: list[str], style: Style, indent: int = _DETAIL_INDENT) -> None:
        for line in lines:
            self._screen.line([(f"{'':{indent}}{line}", style)])

    def _say(self, text: str, style: Style = Style.PLAIN) -> None:
        if self._mute:
            return
        self._screen.line([(self._clean(text), style)])

    def _cleaned(self, availability: Callable[[], Availability | None]) -> Availability | None:
        seen = availability()
        return seen if seen is None or seen.error is None else replace(seen, error=self._clean(seen.error))

    def _clean(self, text: str) -> str:
        # Redact before text is cut or wrapped: half of a secret is not recognized.
        return visible(self._redact(text))


def _clock() -> str:
    return datetime.now(UTC).strftime("%H:%M:%SZ")
