"""Build logs as files on the production host (a build server's archive), or as what a command prints."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from runbook.errors import SourceError
from runbook.settings.target_sources import LogSource
from runbook.targets.candidate import Candidate
from runbook.targets.sources.lines import MOST_LINES, mentioned_in, whole_lines
from runbook.targets.sources.source import Through, Wanted

_MOST_FILES = 50
_LARGEST = 4 << 20  # bytes of each file, or of what the command prints
_LARGEST_LIST = 8 << 20


class BuildLogs:
    """The logs that one entry of `targets.logs` names."""

    def __init__(self, settings: LogSource, wanted: Wanted) -> None:
        command = " ".join(settings.command)
        self.name = f"build logs in {settings.path}" if settings.path else f"build log of `{command[:80]}`"
        self.remarks: list[str] = []
        self._settings = settings
        self._wanted = wanted
        self._pattern = re.compile(settings.pattern)

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """The releases that the logs name: of files the newest file first, in each the last line first."""
        return islice(self._all(through), self._wanted.newest)

    def _all(self, through: Through) -> Iterator[Candidate]:
        told: set[str] = set()
        for place, written, lines in self._logs(through):
            if len(lines) > MOST_LINES:
                self.remarks.append(f"of {place} the last {MOST_LINES} lines were searched")
            mentions = list(mentioned_in(lines, self._pattern, self._wanted, through))
            # A file for all builds was written to when the last of them ended.
            own_time = written if len(mentions) == 1 else None
            for mention in mentions:
                if mention.tag not in told:
                    told.add(mention.tag)
                    proof = f"line {mention.line} of {place} names it"
                    yield mention.candidate(self._settings.means, proof, own_time, self.name)

    def _logs(self, through: Through) -> Iterator[tuple[str, datetime | None, list[str]]]:
        """Each log: what it is called, when it was written to last, and its lines."""
        if self._settings.path is None:
            yield self.name, None, whole_lines(through.run(*self._settings.command, most_output=_LARGEST).text)
            return
        argv = ("find", "-L", self._settings.path, "-maxdepth", "4", "-type", "f", "-printf", r"%T@ %s %p\0")
        listed = through.run(*argv, most_output=_LARGEST_LIST, in_part=True)
        if listed.exit_code != 0:
            self.remarks.append(f"not all of it could be listed: {listed.last_line[:200]}")
        files = _listed(listed.text)
        if not files:
            raise SourceError(
                f"{self._settings.path} holds no file", "name the folder of the build logs in targets.logs"
            )
        if len(files) > _MOST_FILES:
            self.remarks.append(f"{len(files) - _MOST_FILES} older of {len(files)} files were not read")
        read = 0
        for written, size, path in files[:_MOST_FILES]:
            try:
                text = through.run("tail", f"--bytes={_LARGEST}", "--", path, most_output=_LARGEST).text
            except SourceError as error:  # another user's, or gone meanwhile
                _ = through.seconds_left
                self.remarks.append(f"{path} was not read: {error.seen}")
                continue
            read += 1
            place = path
            if size > _LARGEST:
                place = f"the last {_LARGEST >> 20} MiB of {path}"
                self.remarks.append(f"of {path} the last {_LARGEST >> 20} MiB were read")
            yield place, datetime.fromtimestamp(written, UTC), whole_lines(text, began=size <= _LARGEST)
        if not read:
            raise SourceError(f"none of its files could be read: {self.remarks[-1]}", "let this user read them")


def _listed(text: str) -> list[tuple[float, int, str]]:
    entries = (entry.split(" ", 2) for entry in text.split("\0") if entry)
    return sorted(((float(time), int(size), path) for time, size, path in entries), reverse=True)
