"""Releases in the lines of a log, found by the pattern of the settings. Logs are a stranger's: all is bounded."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook.errors import ProductionError, SourceError
from runbook.patterns import search
from runbook.release import checked_digest
from runbook.settings.target_sources import Means
from runbook.targets.candidate import Candidate, Kind, moment_in
from runbook.targets.sources.source import Through, Wanted

_LONGEST_LINE = 1000  # characters: a pattern may take time that grows fast with the length
#: So many lines of a log are searched, the last ones.
MOST_LINES = 200_000
_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")


@dataclass
class Mentioned:
    """A release as the lines of one log name it."""

    tag: str
    line: int
    digests: dict[str, str] = field(default_factory=dict)
    #: Digests that no service of the settings has: which image they are of the log does not say.
    other_digests: list[str] = field(default_factory=list)
    time: datetime | None = None

    def candidate(self, means: Means, proof: str, time: datetime | None, source: str) -> Candidate:
        """Return it as a candidate; `time` counts where the lines name none."""
        # A digest that is not known to be of one of the images cannot be held against it.
        other = (
            f", with the digest {self.other_digests[0]} of an image that it does not name" if self.other_digests else ""
        )
        return Candidate(
            self.tag,
            self.digests,
            f"{means}: {proof}{other}",
            kind=Kind(means),
            time=self.time or time,
            source=source,
            in_order=True,
        )


def mentioned_in(
    lines: Sequence[str], pattern: re.Pattern[str], wanted: Wanted, through: Through
) -> Iterator[Mentioned]:
    """Return the releases that the last lines name, the last named first; those that cannot be one are left out.

    Raises SourceError at the deadline.
    """
    found: dict[str, Mentioned] = {}
    first = max(len(lines) - MOST_LINES, 0)
    for number, line in enumerate(lines[first:], first + 1):
        given = _groups_in(line, pattern, through)
        tag, services = wanted.meant(given.get("tag") or "", given.get("image"), given.get("service"))
        if tag is None:
            continue
        known = found.pop(tag, None) or Mentioned(tag, number)
        known.line = number
        known.time = moment_in(given.get("time")) or known.time
        if (digest := _digest(given.get("digest"))) is not None:
            known.digests |= dict.fromkeys(services, digest)
            known.other_digests += [] if services else [digest]
        found[known.tag] = known
    return reversed(found.values())


def whole_lines(text: str, *, began: bool = True, ended: bool = True) -> list[str]:
    """Return the lines of a text, without the first where it `began` before, and the last where it `ended` later.

    Half a line names half a tag, which is the name of another release.
    """
    lines = text.splitlines()
    return lines[0 if began else 1 : len(lines) if ended else -1]


def _groups_in(line: str, pattern: re.Pattern[str], through: Through) -> dict[str, str | None]:
    """What the groups of the pattern hold; nothing where it does not fit, or only at where the line was cut off."""
    plain = _COLOURS.sub("", line[: 2 * _LONGEST_LINE])
    text = plain[:_LONGEST_LINE]
    try:
        match = search(pattern, text, through.seconds_left)
    except TimeoutError:
        raise SourceError(
            "its deadline passed while the pattern was searched for in one line",
            "write the pattern without repetitions in repetitions",
        ) from None
    whole = len(plain) == len(text) and len(line) <= 2 * _LONGEST_LINE
    return match.groupdict() if match is not None and (whole or match.end() < len(text)) else {}


def _digest(text: str | None) -> str | None:
    try:
        return checked_digest(text or "", "a log")
    except ProductionError:
        return None
