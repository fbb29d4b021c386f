"""The private touches of pytest and pytest-bdd; tests/harness/test_compat.py has a test for each."""

import atexit
import contextlib
import io
import itertools
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import pytest
from _pytest._code.code import ExceptionRepr
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter
from pytest_bdd import scenario
from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Feature

from runbook.text import visible

__all__ = ["CaptureManager", "TerminalReporter"]  # for those who only name the types


class FeatureFile(pytest.Module):
    """A feature file, collected as if it were a Python module with one test function a scenario."""

    @property
    def feature(self) -> Feature:
        """The parsed file."""
        return get_feature(str(self.path.parent), self.path.name)

    def steps_of(self, item: pytest.Item) -> int:
        """How many steps a scenario of this file has."""
        return len(self.feature.scenarios[getattr(item, "originalname", item.name)].steps)

    def position_of(self, item: pytest.Item) -> int:
        """Which scenario of this file it is, the first being 1."""
        return list(self.feature.scenarios).index(getattr(item, "originalname", item.name)) + 1

    def line_of(self, item: pytest.Item) -> int:
        """The line on which a scenario of this file begins, the first being 1."""
        return int(self.feature.scenarios[getattr(item, "originalname", item.name)].line_number)

    def row_of(self, item: pytest.Item) -> int:
        """Which row of its outline a scenario is made from, the first being 0."""
        call = getattr(item, "callspec", None)
        return int(call.indices.get("_pytest_bdd_example", 0)) if call else 0

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        module.__doc__ = self.feature.description
        return module

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Yield the scenarios in the order of the file, under their own names."""
        for name in self.feature.scenarios:
            bind = scenario(self.path.name, name, features_base_dir=str(self.path.parent))
            function = bind(_nothing_more)
            setattr(self.obj, name, function)
            yield from self._genfunctions(name, function)


def _nothing_more() -> None:
    """Do nothing after the last step: a scenario is its steps."""


def collect_feature(parent: pytest.Collector, path: Path) -> FeatureFile:
    """Make the collector of a feature file."""
    collector: FeatureFile = FeatureFile.from_parent(parent, path=path)
    return collector


@dataclass(frozen=True)
class OptionKind:
    """An option of pytest or of a plugin: the name under which its value is kept, and whether it has one."""

    name: str
    takes_value: bool


def known_options(config: pytest.Config) -> Mapping[str, OptionKind]:
    """The options that can be typed, by each of their names."""
    actions = config._parser.optparser._option_string_actions  # noqa: SLF001 - pytest offers no list of them
    return {word: OptionKind(action.dest, action.nargs != 0) for word, action in actions.items()}


#: The attribute of a report whose problem the runbook has told by itself.
TOLD = "_told_by_runbook"


def put_first(parser: pytest.Parser, group: str) -> None:
    """Let `--help` show the group of options with that description before pytest's own."""
    groups = parser.optparser._action_groups  # noqa: SLF001 - pytest puts a new group behind its own
    groups.sort(key=lambda each: each.title != group)


class QuietReporter(TerminalReporter):  # type: ignore[misc]  # final by annotation, and the only way in
    """pytest's terminal reporter without its dots: the steps are the progress, the summary stays."""

    #: What strikes secrets out of everything that is shown.
    redact: Callable[[str], str]
    #: Whether what pytest counts at the end is left out: a plan, and the live view, tell it better.
    says_little = False
    #: Why the run was ended, in the words in which the runbook has told it.
    told: frozenset[str] = frozenset()

    @property
    def showheader(self) -> bool:
        """Never: the runbook tells what it runs."""
        return False

    def getreports(self, name: str) -> list[Any]:
        """Those that nobody has told yet, for pytest's blocks of failures and errors."""
        return [report for report in super().getreports(name) if not getattr(report, TOLD, False)]

    def summary_stats(self) -> None:
        """Leave pytest's counts out where little is said."""
        if not self.says_little:
            super().summary_stats()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Render where a signal came only if it is shown: between two lines that cannot be done (pytest 9.2)."""
        if self.config.option.fulltrace:
            super().pytest_keyboard_interrupt(excinfo)

    def _report_keyboardinterrupt(self) -> None:
        """Say nothing of where in the code a signal came, unless that is asked for: the last lines name the step."""
        if self.config.option.fulltrace:
            super()._report_keyboardinterrupt()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Print nothing: the scenario's own line follows."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the report for the summary, print nothing."""
        self._tests_ran = True
        status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        self._add_stats(status[0], [report])

    def write_sep(self, sep: str, title: str | None = None, *arguments: Any, **markup: Any) -> None:
        """Leave out pytest-html's line with the path of its page (the record's is the last one), and what was told."""
        if title is None or not (title.startswith("Generated html report:") or title in self.told):
            super().write_sep(sep, title, *arguments, **markup)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: ExceptionRepr) -> bool:
        """Strike secrets out of an internal error for JUnit's XML too, which asks the same object."""
        shown = visible(self.redact(str(excrepr)))
        excrepr.toterminal = lambda tw: tw.line(shown)  # type: ignore[method-assign]  # pytest offers no other way
        return bool(super().pytest_internalerror(excrepr))

    def pytest_collection(self) -> None:
        """Print nothing: `collecting ...` would stand before our first line."""

    def report_collect(self, final: bool = False) -> None:  # noqa: FBT001, FBT002 - as pytest has it
        """Print nothing: the runbook tells what it runs."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print nothing: the runbook tells what it runs."""


class ContentsReporter(TerminalReporter):  # type: ignore[misc]  # the same
    """pytest's terminal reporter, whose `--collect-only -q` has the chapters' names as headings."""

    def _printcollecteditems(self, items: Sequence[pytest.Item]) -> None:
        if self.config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES) != -1:
            super()._printcollecteditems(items)
            return
        for chapter, scenarios in itertools.groupby(items, key=lambda item: item.parent):
            self.write_line(f"\n{visible(chapter.feature.name)}" if isinstance(chapter, FeatureFile) else "", bold=True)
            super()._printcollecteditems(list(scenarios))


def install_contents_reporter(config: pytest.Config) -> None:
    """Put the reporter of the table of contents in the place of pytest's own."""
    config.pluginmanager.register(ContentsReporter(_without_reporter(config)), "terminalreporter")


def _without_reporter(config: pytest.Config) -> pytest.Config:
    standard = config.pluginmanager.getplugin("terminalreporter")
    if standard is not None:
        config.pluginmanager.unregister(standard)
    return config


def install_quiet_reporter(
    config: pytest.Config, redact: Callable[[str], str], *, on_stderr: bool = False
) -> QuietReporter:
    """Put the quiet reporter in the place of pytest's own, and everything that it writes through `redact`.

    With `on_stderr` it writes there, since the standard output is for something else.
    """
    reporter = QuietReporter(_without_reporter(config))
    reporter.redact = redact
    writer = reporter._tw  # noqa: SLF001 - pytest offers no way to filter what it prints
    writer._file = Redacting(sys.stderr if on_stderr else writer._file, redact)  # noqa: SLF001 - the same
    config.pluginmanager.register(reporter, "terminalreporter")
    return reporter


def flush_terminal(config: pytest.Config) -> None:
    """Show at once what pytest has written so far."""
    config.get_terminal_writer().flush()


def through_terminal(config: pytest.Config, texts: Iterable[str]) -> str:
    """What the terminal would show of `texts`, written in pieces by the very writer that writes to it."""
    writer = config.get_terminal_writer()
    shown = io.StringIO()
    stream: Any = writer._file  # noqa: SLF001 - the same
    stream.flush()
    with stream.writing_to(shown):
        for text in texts:
            for at in range(0, len(text), 5):
                writer.write(text[at : at + 5])
            writer.flush()
    return shown.getvalue()


def live_terminal(config: pytest.Config) -> TextIO:
    """Open the real terminal for writing, also while pytest captures descriptor 1, behind the same redaction.

    Called while nothing is captured; the file is the caller's to close.
    """
    reporter = config.pluginmanager.getplugin("terminalreporter")
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        own = os.dup(1)
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    file = os.fdopen(own, "w", encoding=encoding, errors="replace")
    return cast("TextIO", Redacting(file, reporter.redact))


class Redacting:
    """A text stream that strikes secrets out of what is written to it, at each flush as one text.

    pytest and rich write in pieces, and a piece of a secret is not recognised; what was flushed is gone.

    A terminal that went away (its window was closed, the other end of the pipe has ended) takes nothing more, and stops
    nothing: a run that has begun must close its record all the same.
    """

    def __init__(self, stream: TextIO, redact: Callable[[str], str], *, by_line: bool = False) -> None:
        """With `by_line`, what ends a line is flushed as well: for streams that programs print to."""
        self._stream = stream
        self._redact = redact
        self._by_line = by_line
        self._pending: list[str] = []
        atexit.register(self.flush)

    def write(self, text: str) -> int:
        self._pending.append(text)
        if self._by_line and text.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        try:
            text = self._redact("".join(pending))
        except Exception as error:  # noqa: BLE001 - what cannot be redacted is not shown, and stops nothing
            text = f"(not shown: {type(error).__name__} in redaction)\n"
        with contextlib.suppress(OSError, ValueError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()

    @contextlib.contextmanager
    def writing_to(self, other: TextIO) -> Iterator[None]:
        """Meanwhile, write to another stream."""
        stream, self._stream = self._stream, other
        try:
            yield
        finally:
            self._stream = stream

    def close(self) -> None:
        self.flush()
        atexit.unregister(self.flush)
        with contextlib.suppress(OSError):
            self._stream.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
