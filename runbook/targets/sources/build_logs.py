"""Build logs: files on the production host (a build server's archive), or a command's output."""

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
_LARGEST = 4 << 20  # bytes of each file, or of the command's output
_LARGEST_LIST = 8 << 20


class BuildLogs:
    """The logs of one entry of `targets.logs`."""

    def __init__(self, settings: LogSource, wanted: Wanted) -> None:
        command = " ".join(settings.command)
        self.name = f"build logs in {settings.path}" if settings.path else f"build log of `{command[:80]}`"
        self.remarks: list[str] = []
        self._settings = settings
        self._wanted = wanted
        self._pattern = re.compile(settings.pattern)

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Return the releases in the logs: the newest file first, and in each file the last line first."""
        return islice(self._all(through), self._wanted.newest)

    def _all(self, through: Through) -> Iterator[Candidate]:
        told: set[str] = set()
        for place, written, lines in self._logs(through):
            if len(lines) > MOST_LINES:
                self.remarks.append(f"only the last {MOST_LINES} lines of {place} were searched")
            mentions = list(mentioned_in(lines, self._pattern, self._wanted, through))
            # The time of a file with several builds is that of the last build.
            own_time = written if len(mentions) == 1 else None
            for mention in mentions:
                if mention.tag not in told:
                    told.add(mention.tag)
                    proof = f"line {mention.line} of {place} names it"
                    yield mention.candidate(self._settings.means, proof, own_time, self.name)

    def _logs(self, through: Through) -> Iterator[tuple[str, datetime | None, list[str]]]:
        """Yield each log: its name, the time of its last change, and its lines."""
        if self._settings.path is None:
            yield self.name, None, whole_lines(through.run(*self._settings.command, most_output=_LARGEST).text)
            return
        argv = ("find", "-L", self._settings.path, "-maxdepth", "4", "-type", "f", "-printf", r"%T@ %s %p\0")
        listed = through.run(*argv, most_output=_LARGEST_LIST, in_part=True)
        if listed.exit_code != 0:
            self.remarks.append(f"it could not be listed completely: {listed.last_line[:200]}")
        files = _listed(listed.text)
        if not files:
            raise SourceError(
                f"{self._settings.path} has no files", "name the folder of the build logs in targets.logs"
            )
        if len(files) > _MOST_FILES:
            self.remarks.append(f"the oldest {len(files) - _MOST_FILES} of {len(files)} files were not read")
        read = 0
        for written, size, path in files[:_MOST_FILES]:
            try:
                text = through.run("tail", f"--bytes={_LARGEST}", "--", path, most_output=_LARGEST).text
            except SourceError as error:  # no permission, or removed meanwhile
                _ = through.seconds_left
                self.remarks.append(f"{path} was not read: {error.seen}")
                continue
            read += 1
            place = path
            if size > _LARGEST:
                place = f"the last {_LARGEST >> 20} MiB of {path}"
                self.remarks.append(f"only the last {_LARGEST >> 20} MiB of {path} were read")
            yield place, datetime.fromtimestamp(written, UTC), whole_lines(text, began=size <= _LARGEST)
        if not read:
            raise SourceError(f"none of its files could be read: {self.remarks[-1]}", "let this user read them")


def _listed(text: str) -> list[tuple[float, int, str]]:
    entries = (entry.split(" ", 2) for entry in text.split("\0") if entry)
    return sorted(((float(time), int(size), path) for time, size, path in entries), reverse=True)
