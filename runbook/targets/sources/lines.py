"""Releases in the lines of a log, found by the settings' pattern. Logs are untrusted, so everything has a limit."""

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

_LONGEST_LINE = 1000  # characters: a pattern's time may grow fast with the length
#: The number of lines searched, at the end of a log.
MOST_LINES = 200_000
_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")


@dataclass
class Mentioned:
    """A release found in the lines of one log."""

    tag: str
    line: int
    digests: dict[str, str] = field(default_factory=dict)
    #: Digests without a service: the log does not say which image they belong to.
    other_digests: list[str] = field(default_factory=list)
    time: datetime | None = None

    def candidate(self, means: Means, proof: str, time: datetime | None, source: str) -> Candidate:
        """Return it as a candidate. `time` is used if the lines have none."""
        # A digest of an unknown image cannot count against the candidate.
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
    """Return the valid releases in the last lines, the last named first.

    Raises SourceError at the deadline.
    """
    found: dict[str, Mentioned] = {}
    first = max(len(lines) - MOST_LINES, 0)
    for number, line in enumerate(lines[first:], first + 1):
        given = _groups_in(line, pattern, through)
        tag, services = wanted.release_in(given.get("tag") or "", given.get("image"), given.get("service"))
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
    """Return the complete lines of a text: not the first unless the text `began` there, not the last unless it `ended`.

    A cut line may contain a cut tag, which would name another release.
    """
    lines = text.splitlines()
    return lines[0 if began else 1 : len(lines) if ended else -1]


def _groups_in(line: str, pattern: re.Pattern[str], through: Through) -> dict[str, str | None]:
    """Return the groups of the match; empty without a match, or if the match touches the cut end of the line."""
    plain = _COLOURS.sub("", line[: 2 * _LONGEST_LINE])
    text = plain[:_LONGEST_LINE]
    try:
        match = search(pattern, text, through.seconds_left)
    except TimeoutError:
        raise SourceError(
            "its deadline passed while the pattern searched one line",
            "write the pattern without nested repetitions",
        ) from None
    whole = len(plain) == len(text) and len(line) <= 2 * _LONGEST_LINE
    return match.groupdict() if match is not None and (whole or match.end() < len(text)) else {}


def _digest(text: str | None) -> str | None:
    try:
        return checked_digest(text or "", "a log")
    except ProductionError:
        return None
