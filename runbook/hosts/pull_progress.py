"""The progress of each layer in `docker compose pull`, read from its output.

Compose prints one line per event: `b10e47bbf76c Downloading [=====>     ]  8.327MB/75.02MB`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LAYER = re.compile(
    r"^\s*(?P<id>[0-9a-f]{12}) (?P<state>Pulling fs layer|Waiting|Downloading|Verifying Checksum|Download complete"
    r"|Extracting|Pull complete|Already exists)\s*"
    r"(?P<bar>\[[=> ]*\]\s*(?P<done>[\d.]+[kMGT]?B)(/(?P<of>[\d.]+[kMGT]?B))?)?"
)
_UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_HERE = ("Pull complete", "Already exists")


@dataclass(frozen=True)
class Layer:
    """A layer: its state, and the bytes done and the total in that state; None when not printed."""

    id: str
    state: str
    done: float | None = None
    of: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether the layer is on the host."""
        return self.state in _HERE

    @property
    def share(self) -> float | None:
        """The share of bytes done, from 0 to 1; None when unknown."""
        return min(1.0, self.done / self.of) if self.done is not None and self.of else None


class PullProgress:
    """The layers of one pull, in order of first appearance."""

    def __init__(self) -> None:
        self._layers: dict[str, Layer] = {}

    def read_line(self, line: str) -> None:
        """Read one line. Lines that are not about a layer are ignored.

        >>> progress = PullProgress()
        >>> progress.read_line("b10e47bbf76c Downloading [=>  ]  1MB/4MB")
        >>> progress.layers[0].share
        0.25
        """
        found = _LAYER.match(line)
        if found is None:
            return
        name = found["id"]
        if name in self._layers and self._layers[name].is_done:
            return  # two images that share a layer report it twice
        self._layers[name] = Layer(name, found["state"], _bytes(found["done"]), _bytes(found["of"]))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in its latest state."""
        return tuple(self._layers.values())


def without_bars(lines: Iterable[str]) -> list[str]:
    """Return the lines that have no progress bar. Bars would bury the other lines in the record."""
    return [line for line in lines if not ((found := _LAYER.match(line)) and found["bar"])]


def _bytes(written: str | None) -> float | None:
    if written is None:
        return None
    number, unit = re.fullmatch(r"([\d.]+)([kMGT]?B)", written).groups()  # type: ignore[union-attr]  # as _LAYER wants it
    try:
        return float(number) * _UNITS[unit]
    except ValueError:  # two dots
        return None
