"""Which record a person means who types an incident's name, or a part of it, or a path."""

import argparse
from pathlib import Path

from runbook.errors import JournalError
from runbook.report.archive.summary import JOURNAL
from runbook.report.page.page_check import PAGE

#: Where records lie, unless something else is said.
REPORTS = Path("reports")
_MOST_NAMED = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which record is meant."""
    parser.add_argument(
        "record", metavar="INCIDENT|FOLDER|JOURNAL", help="the incident's name or a part of it, or a path"
    )
    parser.add_argument("--reports", type=Path, default=REPORTS, help="where records lie (default: reports)")


def journal_of(chosen: argparse.Namespace) -> Path:
    """The journal that is meant: that path, the one in that folder, or that of the incident with that name.

    A part of a name will do if only one incident has it. Raises JournalError when there is none, or several.
    """
    meant, reports = str(chosen.record), Path(chosen.reports)
    path = Path(meant)
    if path.is_dir():
        return path / JOURNAL
    if path.name == PAGE:
        return path.with_name(JOURNAL)
    if path.is_file() or path.name != meant or path.suffix:
        return path
    try:
        names = sorted(entry.name for entry in reports.iterdir() if (entry / JOURNAL).exists())
    except OSError as error:
        raise JournalError(
            f"there is no record {meant} here, and {reports} cannot be read ({error.strerror})",
            "type the path of its folder, or name where records lie with --reports DIR",
        ) from None
    found = [name for name in names if meant in name]
    if meant in names:
        found = [meant]
    if len(found) == 1:
        return reports / found[0] / JOURNAL
    if not found:
        raise JournalError(f"no incident in {reports} is named {meant}", "python -m runbook records lists them")
    named = ", ".join(found[-_MOST_NAMED:])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise JournalError(f"{len(found)} incidents have {meant} in their names: {named}{more}", "type more of the name")
