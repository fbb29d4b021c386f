"""`python -m runbook records`: every incident that is on record, in the terminal, and the index page made afresh."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from runbook.cli.console import BAD, SOFT, TONES, Paper
from runbook.cli.record_lookup import REPORTS
from runbook.errors import JournalError
from runbook.report.archive.archive import Archive, read
from runbook.report.archive.index_page import write
from runbook.report.archive.summary import PAGE, State, Summary
from runbook.report.archive.trends import trends
from runbook.report.page.templating import duration
from runbook.text import visible

#: Columns of a terminal below which the less important ones are left out.
_WIDE, _MEDIUM = 190, 80
#: Characters of a time that tell the minute.
_MINUTE = len("2026-01-31T23:59")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `records` is told on the command line."""
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="where records lie (default: reports)")
    parser.add_argument("--reports", metavar="DIR", type=Path, help="the same, as show, verify and render take it")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each incident instead of words")


def records(chosen: argparse.Namespace) -> int:
    """Print the incidents, the newest last, and make the index page.

    Raises JournalError when they cannot be read, or, behind the list, when the page cannot be written.
    """
    reports = _folder(chosen)
    archive = read(reports, pages=True)
    if chosen.json:
        for each in reversed(archive.summaries):
            sys.stdout.write(json.dumps(_as_object(each)) + "\n")
        write(reports, archive)
        return 0
    paper = Paper()
    if archive.summaries:
        paper.table(_table(archive, paper.width))
    _say_what_matters(archive, paper)
    path = write(reports, archive)
    sys.stdout.write(f"{visible(str(path))}\n")  # whole, on however narrow a terminal: it is to be copied
    return 0


def _folder(chosen: argparse.Namespace) -> Path:
    """Where records lie, by either way of naming it; raises JournalError when two folders are named."""
    named = [Path(each) for each in (chosen.folder, chosen.reports) if each is not None]
    if len({each.resolve() for each in named}) > 1:
        raise JournalError(f"two folders of records are named: {named[0]} and {named[1]}", "name the one that is meant")
    return named[0] if named else REPORTS


def _table(archive: Archive, width: int) -> Table:
    """The table in as many columns as there is room for; the name of an incident is never left out."""
    wide, medium = width >= _WIDE, width >= _MEDIUM
    columns: dict[str, Callable[[Summary], str | Text]] = {"Began (UTC)": _began}
    if medium:
        columns["Kind"] = lambda each: each.kind if wide else each.group
    columns["Outcome"] = _outcome if wide else _outcome_and_name
    if wide:
        columns |= {"Project": lambda each: each.project, "From → to": _way}
    if medium:
        columns |= {"Recovered in": recovered, "Without service": _without_service}
    if wide:
        columns |= {"Took": lambda each: _seconds(each.took), "By": lambda each: each.operator}
        columns["Incident"] = lambda each: each.name
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        table.add_column(title, overflow="fold", min_width=_MINUTE if title == "Began (UTC)" and width >= 40 else None)
    for each in reversed(archive.summaries):
        cells = [told(each) for told in columns.values()]
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    return table


def _began(each: Summary) -> str:
    return each.began[:_MINUTE].replace("T", " ") or "unknown"


def _outcome(each: Summary) -> Text:
    words = Text(each.headline, TONES.get(each.tone, ""))
    if each.problem:
        words += Text(f" [{each.state}: {each.problem}]", BAD)
    if each.alarm:
        words += Text(f" [{each.alarm}]", BAD)
    return words


def _outcome_and_name(each: Summary) -> Text:
    return _outcome(each) + Text(f"\n{each.name}", SOFT)


def _way(each: Summary) -> str:
    return f"{each.released or 'unknown'} → {each.target}" if each.target else each.released or "-"


def recovered(each: Summary) -> str:
    """In which time it brought users a production that works, in words."""
    if each.time_to_recover is not None:
        return duration(each.time_to_recover)
    if not each.recovers:
        return "-"
    return "unknown" if each.ending == "succeeded" or each.state is State.UNREADABLE else "not reached"


def _without_service(each: Summary) -> str:
    known = each.without_service is not None and not each.for_sure
    return f"{'at least ' if known else ''}{_seconds(each.without_service)}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else duration(value)


def _say_what_matters(archive: Archive, paper: Paper) -> None:
    found = trends(archive.summaries, archive.made)
    paper.line()
    if archive.suspect:
        paper.line((f"{len(archive.suspect)} of {len(archive.summaries)} journals are not whole", BAD))
    for name, reason in archive.left_out:
        paper.line((f"left out: {name} {reason}", SOFT))
    if found.last_rehearsal is None:
        paper.line(("no rehearsal is on record: script/rehearse makes one", BAD))
    else:
        said = f"last rehearsal: {found.rehearsed_when} ({found.last_rehearsal.name})"
        paper.line((said, BAD if found.rehearsal_due else ""))


def _as_object(each: Summary) -> dict[str, Any]:
    return {
        "folder": each.name,
        "state": each.state,
        "problem": each.problem or None,
        "group": each.group,
        "kind": each.kind,
        "project": each.project,
        "outcome": each.headline,
        "ending": each.ending,
        "from": each.released or None,
        "to": each.target or None,
        "began": each.began or None,
        "took": each.took,
        "time_to_recover": each.time_to_recover,
        "without_service": each.without_service,
        "operator": each.operator,
        "resumed": each.resumed,
        "alarm": each.alarm or None,
        "size": each.size,
        "page": PAGE if each.has_page else None,
    }
