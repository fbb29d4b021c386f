"""How the commands print for people: in colour where that is wanted, in plain lines where it is not a terminal."""

import io
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runbook.text import visible

#: Colours of a terminal for what they mean; the words say it too.
GOOD, BAD, PLAN, SOFT, STRONG = "green", "bold red", "cyan", "dim", "bold"
TONES = {"good": "bold green", "plan": "bold cyan", "bad": BAD}
#: Wider than any line: what is no terminal is not to break lines.
_ENDLESS = 100_000


class Paper:
    """What is printed to standard output; everything that comes from outside goes through `visible`."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that has no arrows shows their numbers, and nothing stops.
            sys.stdout.reconfigure(errors="backslashreplace")
        self._console = Console(highlight=False, emoji=False, markup=False)
        self.is_terminal = self._console.is_terminal

    @property
    def width(self) -> int:
        """How many columns there are; no end of them where it is not a terminal."""
        return self._console.width if self.is_terminal else _ENDLESS

    def line(self, *parts: "str | tuple[str, str]", indent: int = 0) -> None:
        """Print one line of `parts`, some of them with a style; a terminal breaks it between words, indented."""
        text = Text.assemble(*((visible(p), "") if isinstance(p, str) else (visible(p[0]), p[1]) for p in parts))
        lines = text.wrap(self._console, max(self.width - indent, 20)) if self.is_terminal else text.split()
        for each in lines or [Text()]:
            each.rstrip()
            self._console.print(Text(" " * indent) + each, soft_wrap=True)

    def heading(self, words: str) -> None:
        """Print a heading, with an empty line above it."""
        self.line()
        self.line((words, STRONG))

    def table(self, table: Table) -> None:
        """Print a table, without blanks at the ends of its lines."""
        console = Console(
            file=io.StringIO(),
            width=self.width,
            force_terminal=self.is_terminal,
            color_system=self._console.color_system,  # type: ignore[arg-type]  # what rich itself found out
            no_color=self._console.no_color,
            highlight=False,
            emoji=False,
            markup=False,
        )
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            self._console.file.write(f"{line.rstrip()}\n")
