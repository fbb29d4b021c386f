"""The incidents recorded in a folder of reports, read from their journals."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from runbook.errors import JournalError
from runbook.journal import private_files
from runbook.report.archive.linking import linked
from runbook.report.archive.summary import JOURNAL, State, Summary, has_page, stamp_of, summarize
from runbook.report.page.render import render
from runbook.text import one_line

_REMEMBERED = ".summaries.json"
#: The folder of cached answers of images and trials. It is no record.
_ANSWERS = ".answers"


@dataclass(frozen=True)
class Archive:
    """The incidents, newest first, and the folders that are no records."""

    summaries: list[Summary]
    #: The name of each folder that is no record, and the reason.
    left_out: list[tuple[str, str]]
    #: UTC.
    made: datetime
    #: The same incidents before `linked`: each from its own journal only.
    as_read: list[Summary] = field(default_factory=list)

    @property
    def suspect(self) -> list[Summary]:
        """The incidents whose journals are damaged or unreadable."""
        return [each for each in self.summaries if each.state in (State.NOT_WHOLE, State.UNREADABLE)]

    @property
    def unread(self) -> list[Summary]:
        """The incidents that were skipped for lack of time."""
        return [each for each in self.summaries if each.state is State.NOT_READ]


def read(reports: Path, seconds: float | None = None, *, pages: bool = False) -> Archive:
    """Read every `<reports>/*/journal.jsonl`, the newest first.

    With `seconds`, journals that have not changed since `remember` are not read again, and journals for which no time
    is left are listed by name only. With `pages`, an incident without a page (its run was killed) gets one, unless a
    run is still writing its journal. A damaged or unreadable journal is listed with what is wrong. Raises JournalError
    if `reports` itself cannot be read.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        with os.scandir(reports) as found:
            folders = [entry for entry in found if entry.name != _ANSWERS and (entry.is_symlink() or entry.is_dir())]
    except OSError as error:
        raise JournalError(
            f"the folder of records {reports} cannot be read ({error.strerror})", "name the folder with the records"
        ) from None
    known = {} if deadline is None else _remembered(reports)
    summaries: list[Summary] = []
    left_out: list[tuple[str, str]] = []
    # The names begin with the time, so the newest come first.
    for entry in sorted(folders, key=lambda entry: os.fsencode(entry.name), reverse=True):
        folder = reports / entry.name
        reason = _no_record(entry, folder)
        if reason:
            left_out.append((Summary(entry.name, State.UNREADABLE).name, reason))
            continue
        summaries.append(_summary(folder, deadline, known.get(entry.name), pages=pages))
    # An incident whose start is unknown is sorted by the time in its name.
    summaries.sort(key=lambda each: (each.began or _stamp(each.name), each.name), reverse=True)
    return Archive(linked(summaries), left_out, datetime.now(UTC), summaries)


def _no_record(entry: "os.DirEntry[str]", folder: Path) -> str:
    if entry.is_symlink():
        return "is a symbolic link; copy the folder itself here"
    try:
        os.lstat(folder / JOURNAL)
    except FileNotFoundError:
        return f"has no {JOURNAL}"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def remember(reports: Path, archive: Archive) -> None:
    """Cache the summaries of intact journals in a file, for the next `read` with a time limit. Raises OSError."""
    kept = [asdict(each) for each in archive.as_read if each.state is State.WHOLE]
    private_files.write(reports / _REMEMBERED, json.dumps(kept))


def _remembered(reports: Path) -> dict[str, Summary]:
    try:
        kept = json.loads((reports / _REMEMBERED).read_text(encoding="utf-8"))
        members = {each.name for each in fields(Summary)}
        return {
            each["folder"]: Summary(**each | {"state": State.WHOLE, "stamp": tuple(each["stamp"])})
            for each in kept
            if isinstance(each, dict) and each.keys() == members  # else it was kept by another version
        }
    except (OSError, ValueError, TypeError, KeyError):
        return {}  # none, or of another version


def _summary(folder: Path, deadline: float | None, known: Summary | None, *, pages: bool) -> Summary:
    try:
        if known is not None and known.stamp == stamp_of(folder / JOURNAL):
            summary = replace(known, has_page=has_page(folder))
        elif _is_over(deadline):
            words = "Not read: no time was left when this was made"
            return Summary(folder.name, State.NOT_READ, headline=words, tone="plan", has_page=has_page(folder))
        else:
            summary = summarize(folder)
    except JournalError as error:
        return Summary(folder.name, State.UNREADABLE, problem=one_line(error.seen))
    due = pages and not summary.has_page and summary.state in (State.WHOLE, State.NOT_WHOLE)
    if due and not _is_over(deadline):
        # If the page cannot be made, only the link to it is missing.
        with suppress(Exception):
            render(folder / JOURNAL)
            return replace(summary, has_page=True)
    return summary


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _stamp(name: str) -> str:
    """Return the time in `20260131T235959Z-shop-rollback` in the journal's format. Empty for other names."""
    digits = name[:8] + name[9:15]
    if len(digits) != 14 or not digits.isascii() or not digits.isdigit() or name[8] != "T":
        return ""
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}T{name[9:11]}:{name[11:13]}:{name[13:15]}"
