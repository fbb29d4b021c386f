"""`python -m runbook records`: list the incidents, on the terminal and as a page; `records show`: print one record."""

import argparse
import io
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from runbook.errors import JournalError
from runbook.journal.verify import verify_now
from runbook.report.archive.archive import Archive, read
from runbook.report.archive.index_page import write
from runbook.report.archive.summary import JOURNAL, PAGE, State, Summary
from runbook.report.archive.trends import trends
from runbook.report.page.render import markdown, render, render_json, render_markdown
from runbook.report.page.templating import duration
from runbook.text import visible

REPORTS = Path("reports")
_FORMATS = {"html": render, "markdown": render_markdown, "json": render_json}
_BAD, _SOFT = "bold red", "dim"
_TONES = {"good": "bold green", "plan": "bold cyan", "bad": _BAD}
#: Terminal widths below which less important columns are left out.
_WIDE, _MEDIUM = 190, 80
#: Wider than any line: only terminals get wrapped lines.
_ENDLESS = 100_000
#: The length of a time, cut to the minute.
_MINUTE = len("2026-01-31T23:59")
_MOST_NAMED = 5
#: A code block, as the template writes it.
_BLOCK = re.compile(r"^(`{3,})\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `records` and `records show`."""
    parser.add_argument("--reports", metavar="DIR", type=Path, default=REPORTS, help="where records are (reports)")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each incident instead of words")
    parser.set_defaults(run=records)
    showing = parser.add_subparsers(metavar="show").add_parser("show", help="read one record, by default the newest")
    add_record(showing, nargs="?", default=argparse.SUPPRESS)
    showing.set_defaults(run=show)


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """Add the options of `render`."""
    add_record(parser)
    formats = tuple(_FORMATS)
    parser.add_argument("--format", choices=formats, default="html", help="record.html, record.md or record.json")
    parser.set_defaults(run=rendered)


def rendered(chosen: argparse.Namespace) -> int:
    """Render the page of a journal, and print its path. Raises JournalError while a run writes that journal."""
    journal = journal_of(chosen)
    if verify_now(journal)[1]:
        raise JournalError(
            f"a run is writing {journal} at this moment, and renders its page when it ends",
            f"read it meanwhile with {shlex.join(['python', '-m', 'runbook', 'records', 'show', str(journal)])}",
        )
    print(_FORMATS[chosen.format](journal))  # noqa: T201 - this is the command line
    return 0


def add_record(parser: argparse.ArgumentParser, *, nargs: str | None = None, default: Any = REPORTS) -> None:
    """Add the arguments that select a record."""
    what = "the incident's name or a part of it, or a path"
    parser.add_argument("record", metavar="INCIDENT|FOLDER|JOURNAL", nargs=nargs, help=what)
    parser.add_argument("--reports", metavar="DIR", type=Path, default=default, help="where records are (reports)")


def journal_of(chosen: argparse.Namespace) -> Path:
    """Return the selected journal: a path, the journal in a folder, or that of the incident with that name.

    A part of a name is enough if only one incident has it. Without a name it is the newest. Raises JournalError when
    none or several match.
    """
    meant, reports = str(chosen.record or ""), Path(chosen.reports)
    path = Path(meant)
    if meant and path.is_dir():
        return path / JOURNAL
    if path.name == PAGE:
        return path.with_name(JOURNAL)
    if meant and (path.is_file() or path.name != meant or path.suffix):
        return path
    try:
        names = sorted(entry.name for entry in reports.iterdir() if (entry / JOURNAL).exists())
    except OSError as error:
        raise JournalError(
            f"there is no record {meant} here, and {reports} cannot be read ({error.strerror})",
            "type the path of its folder, or name the folder of the records with --reports DIR",
        ) from None
    found = [name for name in names if meant in name]
    if not meant:
        found = names[-1:]
    elif meant in names:
        found = [meant]
    if len(found) == 1:
        return reports / found[0] / JOURNAL
    if not found:
        named = f" is named {meant}" if meant else " is on record"
        raise JournalError(f"no incident in {reports}{named}", "python -m runbook records lists them")
    named = ", ".join(found[-_MOST_NAMED:])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise JournalError(f"{len(found)} incidents have {meant} in their names: {named}{more}", "type more of the name")


def records(chosen: argparse.Namespace) -> int:
    """Print the incidents, the newest last, and write the index page.

    Raises JournalError when they cannot be read, or, after the list, when the page cannot be written.
    """
    archive = read(chosen.reports, pages=True)
    if chosen.json:
        for each in reversed(archive.summaries):
            sys.stdout.write(json.dumps(_as_object(each)) + "\n")
        write(chosen.reports, archive)
        return 0
    console = _console()
    if archive.summaries:
        console.print(_table(archive, console.width))
    _say_what_matters(archive, console)
    path = write(chosen.reports, archive)
    sys.stdout.write(f"{visible(str(path))}\n")  # not wrapped, so that it can be copied
    return 0


def show(chosen: argparse.Namespace) -> int:
    """Print a record as Markdown, rendered on a terminal. Return 1 when its journal is damaged.

    Raises JournalError when the journal is missing, or its entries are not in the runbook's format.
    """
    journal = journal_of(chosen)
    verified, under_way = verify_now(journal)
    text = markdown(journal, verified, under_way=under_way)
    console = _console()
    if not console.is_terminal:
        sys.stdout.write(text)
    else:
        # Commands are not wrapped, so that they can be copied.
        prose, *blocks = _BLOCK.split(text)
        console.print(Markdown(prose, hyperlinks=False))
        for typed, more in zip(blocks[1::3], blocks[2::3], strict=True):
            console.print(Text(f"\n{typed}\n", "bold"), soft_wrap=True)
            console.print(Markdown(more, hyperlinks=False))
    return 0 if verified.whole or under_way else 1


def _console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the terminal's encoding lacks are shown as escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    return console


def _table(archive: Archive, width: int) -> Table:
    """Return the table with as many columns as fit. The incident's name is never left out."""
    wide, medium = width >= _WIDE, width >= _MEDIUM
    columns: dict[str, Callable[[Summary], str | Text]] = {"Began (UTC)": _began}
    if medium:
        columns["Kind"] = lambda each: each.kind if wide else each.group
    columns["Outcome"] = _outcome if wide else lambda each: _outcome(each) + Text(f"\n{each.name}", _SOFT)
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
    words = Text(each.headline, _TONES.get(each.tone, ""))
    if each.problem:
        words += Text(f" [{each.state}: {each.problem}]", _BAD)
    if each.alarm:
        words += Text(f" [{each.alarm}]", _BAD)
    return words


def _way(each: Summary) -> str:
    return f"{each.released or 'unknown'} → {each.target}" if each.target else each.released or "-"


def recovered(each: Summary) -> str:
    """Return the time to recover in words."""
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


def _say_what_matters(archive: Archive, console: Console) -> None:
    found = trends(archive.summaries, archive.made)
    console.print()
    if archive.suspect:
        console.print(f"{len(archive.suspect)} of {len(archive.summaries)} journals are not whole", style=_BAD)
    for name, reason in archive.left_out:
        console.print(visible(f"left out: {name} {reason}"), style=_SOFT)
    if found.last_rehearsal is None:
        console.print("no rehearsal is on record: run script/rehearse", style=_BAD)
    else:
        said = f"last rehearsal: {found.rehearsed_when} ({found.last_rehearsal.name})"
        console.print(visible(said), style=_BAD if found.rehearsal_due else None)


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
        "changed": each.changed,
        "goes_on_from": each.goes_on_from or None,
        "finished_by": each.finished_by or None,
        "size": each.size,
        "page": PAGE if each.has_page else None,
    }
