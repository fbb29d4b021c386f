"""The private parts of pytest and pytest-bdd that the harness uses; each has a test in tests/harness/test_compat.py."""

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

__all__ = ["CaptureManager", "TerminalReporter"]  # for modules that only name the types


class FeatureFile(pytest.Module):
    """A feature file, collected like a Python module with one test function per scenario."""

    @property
    def feature(self) -> Feature:
        """The parsed file."""
        return get_feature(str(self.path.parent), self.path.name)

    def steps_of(self, item: pytest.Item) -> int:
        """Return the number of steps of a scenario in this file."""
        return len(self.feature.scenarios[getattr(item, "originalname", item.name)].steps)

    def position_of(self, item: pytest.Item) -> int:
        """Return the position of a scenario in this file, starting at 1."""
        return list(self.feature.scenarios).index(getattr(item, "originalname", item.name)) + 1

    def line_of(self, item: pytest.Item) -> int:
        """Return the line on which a scenario begins, starting at 1."""
        return int(self.feature.scenarios[getattr(item, "originalname", item.name)].line_number)

    def row_of(self, item: pytest.Item) -> int:
        """Return the row of the outline that a scenario is made from, starting at 0."""
        call = getattr(item, "callspec", None)
        return int(call.indices.get("_pytest_bdd_example", 0)) if call else 0

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        module.__doc__ = self.feature.description
        return module

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Yield the scenarios in the order of the file, under their names."""
        for name in self.feature.scenarios:
            bind = scenario(self.path.name, name, features_base_dir=str(self.path.parent))
            function = bind(_nothing_more)
            setattr(self.obj, name, function)
            yield from self._genfunctions(name, function)


def _nothing_more() -> None:
    """Do nothing after the last step: a scenario consists of its steps."""


def collect_feature(parent: pytest.Collector, path: Path) -> FeatureFile:
    """Return the collector of a feature file."""
    collector: FeatureFile = FeatureFile.from_parent(parent, path=path)
    return collector


@dataclass(frozen=True)
class OptionKind:
    """An option of pytest or a plugin: its attribute name, and whether it takes a value."""

    name: str
    takes_value: bool


def known_options(config: pytest.Config) -> Mapping[str, OptionKind]:
    """Return all options of the command line, by each of their names."""
    actions = config._parser.optparser._option_string_actions  # noqa: SLF001 - pytest offers no list of them
    return {word: OptionKind(action.dest, action.nargs != 0) for word, action in actions.items()}


#: The attribute of a report whose problem the runbook has already shown.
TOLD = "_told_by_runbook"


def put_first(parser: pytest.Parser, group: str) -> None:
    """Show the option group with that description first in `--help`."""
    groups = parser.optparser._action_groups  # noqa: SLF001 - pytest appends new groups after its own
    groups.sort(key=lambda each: each.title != group)


class QuietReporter(TerminalReporter):  # type: ignore[misc]  # final by annotation, and the only way in
    """pytest's terminal reporter without its dots: the steps are the progress, the summary stays."""

    #: Removes secrets from everything that is shown.
    redact: Callable[[str], str]
    #: Whether to leave out pytest's counts at the end: a plan and the live view show them better.
    says_little = False
    #: The reasons for the end of the run that the runbook has already shown.
    told: frozenset[str] = frozenset()

    @property
    def showheader(self) -> bool:
        """Always False: the runbook prints its own header."""
        return False

    def getreports(self, name: str) -> list[Any]:
        """Return the reports that the runbook has not shown, for pytest's blocks of failures and errors."""
        return [report for report in super().getreports(name) if not getattr(report, TOLD, False)]

    def summary_stats(self) -> None:
        """Print pytest's counts unless `says_little` is set."""
        if not self.says_little:
            super().summary_stats()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Render a signal's traceback only with `--full-trace`: between two lines, pytest 9.2 cannot render it."""
        if self.config.option.fulltrace:
            super().pytest_keyboard_interrupt(excinfo)

    def _report_keyboardinterrupt(self) -> None:
        """Show where in the code a signal arrived only with `--full-trace`. The last lines name the step."""
        if self.config.option.fulltrace:
            super()._report_keyboardinterrupt()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Print nothing: the scenario's line follows."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the report for the summary, and print nothing."""
        self._tests_ran = True
        status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        self._add_stats(status[0], [report])

    def write_sep(self, sep: str, title: str | None = None, *arguments: Any, **markup: Any) -> None:
        """Leave out what was already shown, and pytest-html's line with its page: our last line names the record."""
        if title is None or not (title.startswith("Generated html report:") or title in self.told):
            super().write_sep(sep, title, *arguments, **markup)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: ExceptionRepr) -> bool:
        """Redact an internal error. JUnit's XML renders the same object, so it is redacted there too."""
        shown = visible(self.redact(str(excrepr)))
        excrepr.toterminal = lambda tw: tw.line(shown)  # type: ignore[method-assign]  # pytest offers no other way
        return bool(super().pytest_internalerror(excrepr))

    def pytest_collection(self) -> None:
        """Print nothing: `collecting ...` would come before our first line."""

    def report_collect(self, final: bool = False) -> None:  # noqa: FBT001, FBT002 - as pytest has it
        """Print nothing: the runbook says what it runs."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print nothing: the runbook says what it runs."""


class ContentsReporter(TerminalReporter):  # type: ignore[misc]  # the same
    """pytest's terminal reporter whose `--collect-only -q` shows the chapters' names as headings."""

    def _printcollecteditems(self, items: Sequence[pytest.Item]) -> None:
        if self.config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES) != -1:
            super()._printcollecteditems(items)
            return
        for chapter, scenarios in itertools.groupby(items, key=lambda item: item.parent):
            self.write_line(f"\n{visible(chapter.feature.name)}" if isinstance(chapter, FeatureFile) else "", bold=True)
            super()._printcollecteditems(list(scenarios))


def install_contents_reporter(config: pytest.Config) -> None:
    """Replace pytest's reporter with the reporter of the table of contents."""
    config.pluginmanager.register(ContentsReporter(_without_reporter(config)), "terminalreporter")


def _without_reporter(config: pytest.Config) -> pytest.Config:
    standard = config.pluginmanager.getplugin("terminalreporter")
    if standard is not None:
        config.pluginmanager.unregister(standard)
    return config


def install_quiet_reporter(
    config: pytest.Config, redact: Callable[[str], str], *, on_stderr: bool = False
) -> QuietReporter:
    """Replace pytest's reporter with the quiet one, and pass everything it writes through `redact`.

    With `on_stderr` it writes to stderr, and stdout stays free for other output.
    """
    reporter = QuietReporter(_without_reporter(config))
    reporter.redact = redact
    writer = reporter._tw  # noqa: SLF001 - pytest offers no way to filter what it prints
    writer._file = Redacting(sys.stderr if on_stderr else writer._file, redact)  # noqa: SLF001 - the same
    config.pluginmanager.register(reporter, "terminalreporter")
    return reporter


def flush_terminal(config: pytest.Config) -> None:
    """Flush what pytest has written so far to the terminal."""
    config.get_terminal_writer().flush()


def through_terminal(config: pytest.Config, texts: Iterable[str]) -> str:
    """Return what the terminal would show of `texts`, written in pieces through the terminal's own writer."""
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
    """Open the real terminal for writing, even while pytest captures descriptor 1, with the same redaction.

    Call it while nothing is captured. The caller closes the file.
    """
    reporter = config.pluginmanager.getplugin("terminalreporter")
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        own = os.dup(1)
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    file = os.fdopen(own, "w", encoding=encoding, errors="replace")
    return cast("TextIO", Redacting(file, reporter.redact))


class Redacting:
    """A text stream that removes secrets from the text between two flushes.

    pytest and rich write in pieces, and a piece of a secret is not recognized. Flushed text cannot be taken back.

    Once the terminal is gone (closed window, broken pipe), writes are dropped without an error: a run that has begun
    must still close its record.
    """

    def __init__(self, stream: TextIO, redact: Callable[[str], str], *, by_line: bool = False) -> None:
        """With `by_line`, a write that ends a line is flushed too: for streams that programs print to."""
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
        except Exception as error:  # noqa: BLE001 - text that cannot be redacted is not shown, and the run continues
            text = f"(not shown: redaction failed with {type(error).__name__})\n"
        with contextlib.suppress(OSError, ValueError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()

    @contextlib.contextmanager
    def writing_to(self, other: TextIO) -> Iterator[None]:
        """Write to another stream inside the block."""
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
