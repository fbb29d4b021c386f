"""The incident record, made only from the journal: an HTML page, a short version in Markdown, and JSON."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook.errors import JournalError, RunbookError
from runbook.journal import private_files
from runbook.journal.verify import Verified, verify
from runbook.report.downtime import unmeasured
from runbook.report.follow_up.approvals import approvals
from runbook.report.follow_up.at_a_glance import at_a_glance
from runbook.report.follow_up.follow_ups import follow_ups
from runbook.report.follow_up.review import review
from runbook.report.incident_report import IncidentReport
from runbook.report.page import as_json
from runbook.report.page.availability_chart import strips
from runbook.report.page.templating import SCRIPT, STYLE, environment, markdown_environment
from runbook.report.plan_diff import plan_and_actual
from runbook.report.status import ending

#: In a record with more steps, the page has details only of the steps that stopped it or changed production.
_MOST_DETAILED = 1000


def body(journal: Path, verified: Verified | None = None) -> str:
    """Return the record's HTML, without its style, to be inserted into a page.

    `verified` is the result of verifying the journal. Without it the journal is verified now. Raises JournalError if
    the journal cannot be read, or if its entries are not in the form that this version writes.
    """
    return _made("body.html.jinja", journal, verified)


def page(journal: Path) -> str:
    """Return the record as a complete HTML page, without pytest-html's table. Raises JournalError as `body` does."""
    return _made("page.html.jinja", journal, None, style=STYLE.read_text(encoding="utf-8"))


def render(journal: Path) -> Path:
    """Write `record.html` beside `journal` atomically and return its path. Raises JournalError if that fails."""
    return _written(journal.with_name("record.html"), page(journal))


def render_markdown(journal: Path) -> Path:
    """Write `record.md` beside `journal` and return its path, as `render` does."""
    return _written(journal.with_name("record.md"), markdown(journal, verify(journal)))


def render_json(journal: Path) -> Path:
    """Write `record.json` beside `journal` and return its path, as `render` does."""
    with _odd_entries_told(journal):
        made = as_json.text(verify(journal), journal.parent.name)
    return _written(journal.with_name("record.json"), made)


def markdown(journal: Path, verified: Verified, *, under_way: bool = False) -> str:
    """Return a short record as Markdown, for a terminal, a job's summary or a ticket.

    `under_way`: a run is writing the journal now. Raises JournalError as `body` does.
    """
    with _odd_entries_told(journal):
        made = markdown_environment().get_template("record.md.jinja").render(_context(journal, verified, under_way))
        # Extra blank lines change nothing in rendered Markdown, but read badly as plain text.
        return re.sub(r"\n{3,}", "\n\n", made).strip() + "\n"


def _written(target: Path, text: str) -> Path:
    try:
        private_files.write(target, text)
    except OSError as error:
        raise JournalError(
            f"{target} cannot be written ({error.strerror})", "free disk space, then render again"
        ) from None
    return target


def _made(template: str, journal: Path, verified: Verified | None, **more: str) -> str:
    with _odd_entries_told(journal):
        return environment().get_template(template).render(_context(journal, verified or verify(journal)) | more)


@contextmanager
def _odd_entries_told(journal: Path) -> Iterator[None]:
    """Raise JournalError instead of errors from missing members or wrong types: a journal can be forged."""
    try:
        yield
    except (OSError, RunbookError):
        raise
    except Exception as error:
        raise JournalError(
            f"the entries of {journal} are not in the form that this version of the runbook writes"
            f" ({type(error).__name__}: {error})",
            "read the file itself; to check whether they were changed, type"
            f" {shlex.join(['python', '-m', 'runbook', 'verify', str(journal)])}",
        ) from error


def _context(journal: Path, verified: Verified, under_way: bool = False) -> dict[str, object]:  # noqa: FBT001, FBT002
    story = IncidentReport(verified.entries)
    ended = ending(story, verified, under_way=under_way)
    return {
        "story": story,
        "verified": verified,
        "ending": ended,
        "journal": journal.name,
        # The incident's name, so that the page stays the same if its folder is moved or renamed.
        "folder": story.opened.get("incident", journal.parent.name),
        "strips": strips(story),
        "unmeasured": unmeasured(story.measured),
        "very_long": len(story.steps) > _MOST_DETAILED,
        "plan": plan_and_actual(verified.entries),
        "glance": at_a_glance(story, verified.entries, end_unknown=ended.unknown),
        "follow": follow_ups(verified.entries, end_unknown=ended.unknown),
        "approvals": approvals(verified.entries),
        "review": review(verified.entries),
        "script": SCRIPT.read_text(encoding="utf-8"),
    }
