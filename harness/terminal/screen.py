"""The screen of a run without a live view: plain lines through pytest's terminal reporter."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

import pytest

from harness.compat import CaptureManager, TerminalReporter


class Style(Enum):
    """The style of a piece of a line. Each value is pytest's markup."""

    PLAIN = ()
    HEADING = ("bold",)
    GOOD = ("green",)
    PLANNED = ("cyan",)
    WARNING = ("yellow", "bold")
    BAD = ("red", "bold")
    CHANGE = ("purple", "bold")


Line = list[tuple[str, Style]]


class Screen(Protocol):
    """Takes finished lines, whose text is redacted and free of control characters."""

    @property
    def width(self) -> int:
        """The number of characters that fit in a line."""

    @property
    def breaks_lines(self) -> bool:
        """Whether text longer than a line is wrapped. It is not in a log."""

    def line(self, line: Line) -> None:
        """Write one line."""


class PlainScreen:
    """Lines as in a log: in CI, in a pipe, and on a terminal before and after the live view."""

    def __init__(self, terminal: TerminalReporter, capture: CaptureManager) -> None:
        self._terminal = terminal
        self._capture = capture

    @property
    def width(self) -> int:
        """The terminal's width, or 120 without a terminal."""
        return terminal_width(1, 120) if self._terminal.isatty else 120

    @property
    def breaks_lines(self) -> bool:
        """True only on a terminal."""
        return bool(self._terminal.isatty)

    def line(self, line: Line) -> None:
        """Write one line and flush it, for readers of a pipe."""
        with self._uncaptured() as terminal:
            for text, style in line:
                terminal.write(text, **dict.fromkeys(style.value, True))
            terminal.write("\n", flush=True)

    def begin(self) -> None:
        """Start on a new line."""
        with self._uncaptured() as terminal:
            terminal.ensure_newline()

    @contextmanager
    def _uncaptured(self) -> Iterator[TerminalReporter]:
        # pytest captures output while a step runs. Progress lines bypass the capture.
        with self._capture.global_and_fixture_disabled():
            yield self._terminal


def terminal_width(file: int, otherwise: int) -> int:
    """Return the number of columns of the terminal behind that file descriptor, at least 40."""
    try:
        return max(40, os.get_terminal_size(file).columns or otherwise)
    except OSError:
        return otherwise


def allows_live_view(config: pytest.Config, terminal: TerminalReporter, environment: Mapping[str, str]) -> bool:
    """Return whether a live view is possible: on a capable terminal with no other writer, and not in CI."""
    option = config.option
    others_write = option.capture == "no" or option.usepdb or option.trace or option.setupshow
    able = bool(terminal.isatty) and environment.get("TERM", "dumb") not in ("dumb", "unknown")
    return able and not others_write and not in_ci(environment)


def in_ci(environment: Mapping[str, str]) -> bool:
    """Return whether this runs in CI, by the two variables that pytest checks."""
    return bool(environment.get("CI") or environment.get("BUILD_NUMBER"))


def colour_of(given: str, environment: Mapping[str, str], *, no_color: bool) -> str:
    """Return the value for pytest's --color: as given, but no color in CI unless a variable asks for it."""
    if no_color:
        return "no"
    asked = environment.get("FORCE_COLOR") or environment.get("PY_COLORS") == "1"
    return "no" if given == "auto" and in_ci(environment) and not asked else given
