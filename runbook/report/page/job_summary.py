"""The record in CI's own summary of a job: GitHub shows what is appended to the file `GITHUB_STEP_SUMMARY`."""

import os
from collections.abc import Mapping
from pathlib import Path

from runbook.journal.verify import verify
from runbook.report.page.render import markdown

VARIABLE = "GITHUB_STEP_SUMMARY"
#: GitHub shows nothing of a longer one, in bytes (https://github.com/actions/runner/issues/4337).
MOST = 1024 * 1024 - 2
_CUT = "\n\nThis is cut, since GitHub shows 1 MiB at most: record.html has the whole record.\n"


def append(journal: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Append the record of `journal` to CI's summary, if there is one; never raises.

    Returns what there is to say if it cannot be written; else nothing.
    """
    if not (summary := environment.get(VARIABLE)):
        return ""
    try:
        with Path(summary).open("ab") as file:
            file.write(_fitting(markdown(journal, verify(journal)).encode(), MOST - file.tell()))
    except Exception as error:  # noqa: BLE001 - the run is over, and its summary changes nothing of what came of it
        return f"the job's summary is not written: {getattr(error, 'seen', error)}"
    return ""


def _fitting(text: bytes, room: int) -> bytes:
    """`text`, or as many whole lines of it as there is room for, and that it is cut; nothing where there is no room."""
    if len(text) <= room:
        return text
    kept = text[: max(0, room - len(_CUT))].rpartition(b"\n")[0]
    return kept + _CUT.encode() if kept else b""
