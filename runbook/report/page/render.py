"""The incident record, made from the journal alone: one HTML page, and the same in short as Markdown, and as JSON."""

import re
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
    return _written(journal.with_name("record.html"), page(journal))


def render_markdown(journal: Path) -> Path:
    """Write `record.md` beside `journal`, as `render` does the page."""
    return _written(journal.with_name("record.md"), markdown(journal, verify(journal)))


def render_json(journal: Path) -> Path:
    """Write `record.json` beside `journal`, as `render` does the page."""
    with _odd_entries_told(journal):
        made = as_json.text(verify(journal), journal.parent.name)
    return _written(journal.with_name("record.json"), made)


def markdown(journal: Path, verified: Verified, *, under_way: bool = False) -> str:
    """The record in short, as Markdown: for a terminal, a job's summary, a ticket. Raises JournalError as `body` does.

    `under_way` says that a run is writing the journal at this moment.
    """
    with _odd_entries_told(journal):
        made = markdown_environment().get_template("record.md.jinja").render(_context(journal, verified, under_way))
        # A blank line too many is no other Markdown, and reads badly where it is not rendered.
        return re.sub(r"\n{3,}", "\n\n", made).strip() + "\n"


def _written(target: Path, text: str) -> Path:
    try:
        private_files.write(target, text)
    except OSError as error:
        raise JournalError(f"{target} cannot be written ({error.strerror})", "make room, then render again") from None
    return target


def _made(template: str, journal: Path, verified: Verified | None, **more: str) -> str:
    with _odd_entries_told(journal):
        return environment().get_template(template).render(_context(journal, verified or verify(journal)) | more)


@contextmanager
def _odd_entries_told(journal: Path) -> Iterator[None]:
    """Turn what comes of members that are missing, or of another type, into a JournalError: a chain can be forged."""
    try:
        yield
    except (OSError, RunbookError):
        raise
    except Exception as error:
        raise JournalError(
            f"the entries of {journal} are not as this version of the runbook writes them"
            f" ({type(error).__name__}: {error})",
            f"python -m runbook verify {journal} tells whether they are as they were written; read the file itself",
        ) from error


def _context(journal: Path, verified: Verified, under_way: bool = False) -> dict[str, object]:  # noqa: FBT001, FBT002
    story = IncidentReport(verified.entries)
    ended = ending(story, verified, under_way=under_way)
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
        "glance": at_a_glance(story, verified.entries, end_unknown=ended.unknown),
        "follow": follow_ups(verified.entries, end_unknown=ended.unknown),
        "approvals": approvals(verified.entries),
        "review": review(verified.entries),
        "script": SCRIPT.read_text(encoding="utf-8"),
    }
