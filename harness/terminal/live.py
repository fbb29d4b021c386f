"""The live view at the bottom of a terminal, drawn eight times a second."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from harness.terminal.live_state import LiveState
from harness.terminal.screen import Line, Style, terminal_width
from runbook.hosts.pull_progress import Layer
from runbook.hosts.signals import signals_blocked
from runbook.journal.availability import NO_ANSWER, Availability, Probe
from runbook.text import visible

_LOOKS = {
    Style.PLAIN: "",
    Style.HEADING: "bold",
    Style.GOOD: "green",
    Style.PLANNED: "cyan",
    Style.WARNING: "bold yellow",
    Style.BAD: "bold red",
    Style.CHANGE: "bold magenta",
}
_INDENT = " " * 14
_DRAW_EVERY = 0.125  # seconds
_END_WITHIN = 2.0  # seconds
_MOST_LAYERS = 8
_LEVELS = "▁▂▃▄▅▆▇█"
_CROSS = "\N{MULTIPLICATION SIGN}"
_FULL_SCALE = 1.0  # seconds of latency that fill a cell
_SLOW = 1.0  # seconds after which an unanswered probe is reported


class _Terminal(Console):
    """rich's console, sized by its own file: pytest captures the standard descriptors."""

    @property
    def size(self) -> ConsoleDimensions:
        lines = 24
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            lines = os.get_terminal_size(self.file.fileno()).lines or lines
        return ConsoleDimensions(terminal_width(self.file.fileno(), 80), lines)

    @size.setter
    def size(self, _new: tuple[int, int]) -> None:
        raise NotImplementedError


class LiveView:
    """A screen with a live part at its bottom, which `stop` removes."""

    def __init__(
        self,
        file: TextIO,
        now: LiveState,
        availability: Callable[[], Availability | None],
        *,
        colour: bool,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._file = file
        self._now = now
        self._availability = availability
        self._redact = redact
        self._console = _Terminal(
            file=file,
            force_terminal=True,
            force_interactive=True,
            color_system="standard" if colour else None,
            no_color=not colour,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # rich computes where to draw before it draws. No other thread may draw in between.
        self._one_draws = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._draw_again_and_again, name="live view", daemon=True)

    @property
    def width(self) -> int:
        """The terminal's current width."""
        return self._console.size.width

    @property
    def breaks_lines(self) -> bool:
        """Always True on a terminal."""
        return True

    def start(self) -> None:
        """Start the drawing thread, with signals blocked."""
        self._live.start()
        with signals_blocked():
            self._thread.start()

    def stop(self) -> None:
        """Remove the live part and show the cursor again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_END_WITHIN)  # a paused terminal (Ctrl-S) must not block the run
        self._live.stop()
        self._file.close()

    def line(self, line: Line) -> None:
        """Write a finished line above the live part."""
        text = Text()
        for piece, style in line:
            text.append(piece, _LOOKS[style])
        with self._one_draws:
            self._console.print(text, soft_wrap=True)

    def _draw_again_and_again(self) -> None:
        while not self._stopping.wait(_DRAW_EVERY):
            with self._one_draws:
                self._live.refresh()

    def __rich__(self) -> Group:
        now = time.monotonic()
        width = self._console.size.width - 1
        lines = [*self._header(now, width), *self._step(now, width), *self._users(now, width)]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            line.no_wrap = True
        return Group(*lines)

    def _header(self, now: float, width: int) -> Iterator[Text]:
        """Yield the whole run in one line, or in as many as its parts need."""
        parts = [visible(self._redact(part)) for part in self._now.standing.parts(now)]
        if not self._now.standing.project:
            return
        yield Text("─" * width, "dim")
        line = ""
        for part in parts:
            longer = f"{line} · {part}" if line else part
            if line and len(longer) > width:
                yield Text(line, "bold")
                longer = part
            line = longer
        yield Text(line, "bold")

    def _step(self, now: float, width: int) -> Iterator[Text]:
        what = self._now
        if not what.step:
            return
        changing = what.changes_production
        yield Text.assemble(
            f"{time.strftime('%H:%M:%SZ', time.gmtime())}   ",
            ("▲ " if changing else "  ", _LOOKS[Style.CHANGE]),
            ("now     ", "bold"),
            (what.step, "bold"),
        )
        clock = _clock(what.elapsed(now), what.deadline)
        state = Text(_INDENT)
        if changing:
            state.append("PRODUCTION IS BEING CHANGED  ", _LOOKS[Style.CHANGE])
        state.append(clock, _LOOKS[Style.BAD] if 0 < what.deadline < what.elapsed(now) else "")
        room = width - state.cell_len - 2
        if what.deadline and room >= 10:
            state.append("  ")
            state.append_text(_bar(what.elapsed(now) / what.deadline, min(room, 30)))
        yield state
        for text in (what.doing, f"$ {what.command}" if what.command else ""):
            if text:
                yield Text(f"{_INDENT}{text}")
        yield from self._layers(width)

    def _layers(self, width: int) -> Iterator[Text]:
        layers = self._now.pull.layers if self._now.pull else ()
        here = sum(layer.is_done for layer in layers)
        if not layers:
            return
        yield Text(f"{_INDENT}{here} of {len(layers)} layers are on the host")
        open_layers = [layer for layer in layers if not layer.is_done]
        for layer in open_layers[:_MOST_LAYERS]:
            yield _layer(layer, width)
        if len(open_layers) > _MOST_LAYERS:
            yield Text(f"{_INDENT}and {len(open_layers) - _MOST_LAYERS} more", "dim")

    def _users(self, now: float, width: int) -> Iterator[Text]:
        seen = self._availability()
        if seen is None:
            return
        yield Text("─" * width, "dim")
        line = Text.assemble("public address  ", _state(seen, now))
        if seen.down_before:
            line.append(f"  down {seen.down(now):.0f} s in total", _LOOKS[Style.BAD])
        room = width - line.cell_len - 2
        if room >= 8:
            line.append("  ")
            line.append_text(_strip(seen.recent, now, min(room, 60)))
        yield line


def _clock(elapsed: float, deadline: float) -> str:
    if not deadline:
        return f"{elapsed:.1f} s"
    return f"{elapsed:.1f} s of {deadline:g} s" if elapsed <= deadline else f"{elapsed:.1f} s, PAST its {deadline:g} s"


def _bar(share: float, width: int) -> Text:
    full = min(width, int(share * width))
    return Text.assemble(("━" * full, "cyan"), ("─" * (width - full), "dim"))


def _layer(layer: Layer, width: int) -> Text:
    line = Text(f"{_INDENT}{layer.id}  {layer.state:<17}")
    if layer.share is not None and layer.done is not None and layer.of is not None:
        line.append(f" {layer.done / 1e6:7.1f} of {layer.of / 1e6:.1f} MB  ")
        if (room := width - line.cell_len) >= 8:
            line.append_text(_bar(layer.share, min(room, 20)))
    return line


def _state(seen: Availability, now: float) -> Text:
    if seen.error:
        return Text(f"NO LONGER MEASURED: {seen.error}", _LOOKS[Style.WARNING])
    if seen.waiting_since is not None and now - seen.waiting_since >= _SLOW:
        return Text(f"NO ANSWER for {now - seen.waiting_since:.0f} s", _LOOKS[Style.WARNING])
    if seen.last is None:
        return Text("probing …")
    if seen.down_since is not None:
        said = "no answer" if seen.last.status == NO_ANSWER else str(seen.last.status)
        return Text(f"DOWN ({said}) for {seen.down_now(now):.0f} s", _LOOKS[Style.BAD])
    return Text(f"up ({seen.last.status} in {seen.last.latency * 1000:.0f} ms)", _LOOKS[Style.GOOD])


def _strip(recent: tuple[Probe, ...], now: float, width: int) -> Text:
    """Return one cell per second: its slowest answer as a height, or a cross if a probe failed."""
    cells: dict[int, list[Probe]] = {}
    for probe in recent:
        cells.setdefault(int(now) - int(probe.began), []).append(probe)
    strip = Text()
    for age in range(min(width, max(cells, default=0) + 1) - 1, -1, -1):
        probes = cells.get(age)
        if not probes:
            strip.append(" ")
        elif all(probe.good for probe in probes):
            share = max(probe.latency for probe in probes) / _FULL_SCALE
            strip.append(_LEVELS[min(len(_LEVELS) - 1, int(share * len(_LEVELS)))], "green")
        else:
            strip.append(_CROSS, _LOOKS[Style.BAD])
    return strip
