"""`reports/index.html`: all incidents on one page, with trends."""

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from runbook.errors import JournalError, RunbookError
from runbook.journal import private_files
from runbook.report.archive import charts
from runbook.report.archive.archive import Archive, read, remember
from runbook.report.archive.summary import GROUPS
from runbook.report.archive.trends import trends
from runbook.report.page.templating import STYLE, environment

INDEX = "index.html"
_TEMPLATES = Path(__file__).with_name("templates")
#: Seconds for reading journals at the end of a run: nobody waits for an index at 3 a.m.
_READING = 2.0
_ENDINGS = ("succeeded", "failed", "plan or part", "under way", "not read")


def page(archive: Archive) -> str:
    """Return the index as a complete page."""
    shown = trends(archive.summaries, archive.made)
    script = _text("index.js")
    context = {
        "archive": archive,
        "trends": shown,
        "recoveries": charts.recoveries(shown.recoveries),
        "months": charts.months(shown),
        "made": archive.made.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "kinds": _counted(GROUPS, [each.group for each in archive.summaries]),
        "endings": _counted(_ENDINGS, [each.ending for each in archive.summaries]),
        "projects": sorted({each.project for each in archive.summaries}),
        "style": Markup(STYLE.read_text(encoding="utf-8") + _text("index.css")),  # noqa: S704 - our own files
        "script": Markup(script),  # noqa: S704 - our own file
        # Only this script may run, and nothing may be loaded.
        "script_hash": base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    }
    return environment(_TEMPLATES).get_template("index.html.jinja").render(context)


def write(reports: Path, archive: Archive) -> Path:
    """Write `<reports>/index.html` atomically, and return its path. Raises JournalError if that fails."""
    target = reports / INDEX
    try:
        private_files.write(target, page(archive))
        remember(reports, archive)
    except OSError as error:
        raise JournalError(
            f"{target} cannot be written ({error.strerror})", "free disk space, then: python -m runbook records"
        ) from None
    return target


def refresh(reports: Path) -> str:
    """Make the index at the end of a run, within about two seconds. Return why it failed; empty if it did not."""
    try:
        write(reports, read(reports, _READING, pages=True))
    except Exception as error:  # noqa: BLE001 - the run is over, and the index does not change its outcome
        why = error.seen if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
        return f"the index of all records was not updated: {why} → python -m runbook records"
    return ""


def _counted(order: tuple[str, ...], found: list[str]) -> list[tuple[str, int]]:
    return [(name, found.count(name)) for name in order if name in found]


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
