"""The incident record: one HTML page, made from the journal alone."""

from pathlib import Path

from runbook.errors import JournalError
from runbook.journal import private_files
from runbook.journal.verify import Verified, verify
from runbook.report.downtime import unmeasured
from runbook.report.follow_up.approvals import approvals
from runbook.report.follow_up.follow_ups import follow_ups
from runbook.report.incident_report import IncidentReport
from runbook.report.page.availability_chart import strips
from runbook.report.page.odd_entries import odd_entries_told
from runbook.report.page.templating import SCRIPT, STYLE, environment
from runbook.report.plan_diff import plan_and_actual
from runbook.report.status import ending

#: Of a record with more steps the page has the details of those that stopped it or changed production alone.
_MOST_DETAILED = 1000


def body(journal: Path, verified: Verified | None = None) -> str:
    """The record's HTML, to be put into a page that has its style already.

    It is made of `verified`, which is what `verify` finds now unless something else is asked for. Raises JournalError
    when the journal cannot be read, or its entries are not as the runbook writes them.
    """
    return _made("body.html.jinja", journal, verified)


def page(journal: Path) -> str:
    """The record as a whole page of its own, for a run that could not write it. Raises JournalError as `body` does."""
    return _made("page.html.jinja", journal, None, style=STYLE.read_text(encoding="utf-8"))


def render(journal: Path) -> Path:
    """Write `record.html` beside `journal`, in one step, and return its path. Raises JournalError when it cannot."""
    target = journal.with_name("record.html")
    try:
        private_files.write(target, page(journal))
    except OSError as error:
        raise JournalError(f"{target} cannot be written ({error.strerror})", "make room, then render again") from None
    return target


def _made(template: str, journal: Path, verified: Verified | None, **more: str) -> str:
    with odd_entries_told(journal):
        return environment().get_template(template).render(_context(journal, verified or verify(journal)) | more)


def _context(journal: Path, verified: Verified) -> dict[str, object]:
    story = IncidentReport(verified.entries)
    ended = ending(story, verified)
    return {
        "story": story,
        "verified": verified,
        "ending": ended,
        "journal": journal.name,
        # By its own name, so that the page stays the same when its folder is moved.
        "folder": story.opened.get("incident", journal.parent.name),
        "strips": strips(story),
        "unmeasured": unmeasured(story.measured),
        "very_long": len(story.steps) > _MOST_DETAILED,
        "plan": plan_and_actual(verified.entries),
        "follow": follow_ups(verified.entries, end_unknown=ended.unknown),
        "approvals": approvals(verified.entries),
        "script": SCRIPT.read_text(encoding="utf-8"),
    }
