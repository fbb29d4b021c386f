"""The record in a CI job's summary: GitHub shows what is appended to the file in `GITHUB_STEP_SUMMARY`."""

import os
from collections.abc import Mapping
from pathlib import Path

from runbook.journal.verify import verify
from runbook.report.page.render import markdown

VARIABLE = "GITHUB_STEP_SUMMARY"
#: In bytes. GitHub shows nothing of a longer summary (https://github.com/actions/runner/issues/4337).
MOST = 1024 * 1024 - 2
_CUT = "\n\nTruncated, because GitHub shows at most 1 MiB: record.html has the whole record.\n"


def append(journal: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Append the record of `journal` to the job's summary, if there is one. Never raises.

    Returns a message if the summary cannot be written, otherwise an empty string.
    """
    if not (summary := environment.get(VARIABLE)):
        return ""
    try:
        with Path(summary).open("ab") as file:
            file.write(_fitting(markdown(journal, verify(journal)).encode(), MOST - file.tell()))
    except Exception as error:  # noqa: BLE001 - the run is over, and a missing summary does not change its outcome
        return f"the job's summary was not written: {getattr(error, 'seen', error)}"
    return ""


def _fitting(text: bytes, room: int) -> bytes:
    """Return `text`; if it is longer than `room`, as many whole lines as fit and a note; nothing if none fit."""
    if len(text) <= room:
        return text
    kept = text[: max(0, room - len(_CUT))].rpartition(b"\n")[0]
    return kept + _CUT.encode() if kept else b""
