"""One incident as a row of the index."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runbook.actions import Scope
from runbook.errors import JournalError
from runbook.journal.journal import Entry
from runbook.journal.verify import Verified, verify_now
from runbook.report.incident_report import IncidentReport
from runbook.report.status import NOTHING_BELIEVED, ending
from runbook.text import one_line

JOURNAL, PAGE = "journal.jsonl", "record.html"
#: The groups in which incidents are counted, the most important first.
GROUPS = ("rollback", "emergency", "restore", "rehearsal", "unlock", "unchanged", "validation", "plan", "unknown")
#: The groups that the trends count.
COUNTED = GROUPS[:5]
_TIME = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{6}Z")


class State(StrEnum):
    """How far a journal can be trusted."""

    WHOLE = "whole"
    NOT_WHOLE = "not whole"
    #: A run is writing it at this moment.
    UNDER_WAY = "under way"
    UNREADABLE = "unreadable"
    #: No time was left to read it.
    NOT_READ = "not read"


@dataclass(frozen=True)
class Summary:
    """The summary of one incident. None means unknown or not applicable, never 0."""

    #: The folder's name on disk. It may contain any characters.
    folder: str
    state: State
    #: What is wrong with the journal, in words. Empty if nothing is.
    problem: str = ""
    #: One of GROUPS, and the exact kind in words.
    group: str = "unknown"
    kind: str = "unknown"
    project: str = "unknown"
    headline: str = NOTHING_BELIEVED
    #: `good`, `plan` or `bad`.
    tone: str = "bad"
    released: str = ""
    target: str = ""
    #: UTC, in the journal's format. Empty if unknown.
    began: str = ""
    #: In seconds.
    took: float | None = None
    time_to_recover: float | None = None
    without_service: float | None = None
    #: Whether `without_service` is complete.
    for_sure: bool = True
    #: Whether the incident turns a switch on again, which recovers nothing.
    turns_on: bool = False
    #: Whether a change to production began.
    changed: bool = False
    #: The strategy of a rollback, or `emergency`. Empty if none was decided.
    way: str = ""
    #: The Docker host.
    host: str = ""
    #: The seconds for which traffic was paused, and whether requests waited instead of being refused.
    gate_closed: float | None = None
    held: bool = False
    #: The unfinished rollback that this one continued, and the rollback that continued this one.
    goes_on_from: str = ""
    finished_by: str = ""
    #: The time of the last entry (UTC).
    ended: str = ""
    #: Whether the first and the last probe of the public address were bad.
    out_at_first: bool = False
    out_at_last: bool = False
    operator: str = "unknown"
    resumed: int = 0
    #: The most urgent problem that the incident left: users, production, the journal.
    alarm: str = ""
    #: The size of the journal in bytes.
    size: int = 0
    has_page: bool = False
    #: The journal's mtime, ctime and size. While they are the same, the journal is not read again.
    stamp: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name, escaped for display."""
        return one_line(os.fsencode(self.folder).decode("utf-8", errors="backslashreplace"))

    @property
    def link(self) -> str:
        """The relative URL of the page, or of the journal if there is no page."""
        return f"{quote(os.fsencode(self.folder), safe='')}/{PAGE if self.has_page else JOURNAL}"

    @property
    def recovers(self) -> bool:
        """Whether the incident was to recover production, so that it has a time to recover."""
        return self.group in ("rollback", "emergency", "rehearsal") and not self.turns_on

    @property
    def ending(self) -> str:
        """The outcome in at most three words, for the filter."""
        if self.state in (State.UNDER_WAY, State.NOT_READ):
            return str(self.state)
        return {"good": "succeeded", "plan": "plan or part"}.get(self.tone, "failed")


def stamp_of(journal: Path) -> tuple[int, ...]:
    """Return mtime and ctime in ns, and the size. Changed content changes them, because nobody can set the ctime."""
    try:
        found = journal.stat(follow_symlinks=False)
    except OSError as error:
        raise JournalError(f"{journal.name} cannot be read ({error.strerror})", "check the path") from None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def has_page(folder: Path) -> bool:
    """Return whether the folder has a page that is not a link."""
    page = folder / PAGE
    return page.is_file() and not page.is_symlink()


def summarize(folder: Path) -> Summary:
    """Return the summary of the journal in `folder`. Raises JournalError if it is unreadable or a symbolic link."""
    journal = folder / JOURNAL
    if journal.is_symlink():
        raise JournalError(f"{JOURNAL} is a symbolic link", "copy the journal itself there")
    stamp = stamp_of(journal)
    verified, under_way = verify_now(journal)
    known = Summary(
        folder.name, State.UNREADABLE, verified.problem or "", size=stamp[-1], has_page=has_page(folder), stamp=stamp
    )
    if not verified.entries:
        return known
    try:
        return replace(known, **_told(verified, folder.name, under_way=under_way))
    # A forged journal can have an intact chain and any members and types.
    except Exception as error:  # noqa: BLE001 - whatever it contains, it becomes one line of the index
        why = f"its entries do not have the format of this runbook ({type(error).__name__})"
        return replace(known, problem=why)


def _told(verified: Verified, folder: str, *, under_way: bool) -> dict[str, Any]:
    story = IncidentReport(verified.entries)
    state = State.WHOLE if verified.whole else State.UNDER_WAY if under_way else State.NOT_WHOLE
    problem = "" if under_way else verified.problem or ""
    name = str(story.opened.get("incident", folder))
    if name != folder and not problem:
        problem = f"the journal belongs to another folder: {one_line(name)}"
    failed, target = story.from_to
    ended = ending(story, verified, under_way=under_way)
    if not _TIME.fullmatch(story.began):
        raise ValueError(story.began)
    return {
        "state": state,
        "problem": problem,
        **_kind(story, changed=changed_production(verified.entries)),
        "project": one_line(story.opened.get("project", "unknown")),
        "headline": one_line(ended.headline),
        "tone": ended.tone,
        "released": one_line(failed),
        "target": one_line(target),
        "began": story.began,
        "took": None if under_way else _seconds(story.seconds),
        "time_to_recover": _seconds(story.time_to_recover),
        "without_service": _seconds(story.without_service),
        "for_sure": story.without_service_for_sure,
        "turns_on": story.turns_on,
        **_way(story, verified),
        "operator": one_line(story.opened.get("operator", "unknown")),
        "resumed": len(story.resumed),
        "alarm": "" if under_way else _alarm(story),
    }


def _way(story: IncidentReport, verified: Verified) -> dict[str, Any]:
    """Return what the incident did to production, and the incidents before and after it."""
    under_way, probes = story.facts.open_rollback, [each for run in story.measured for each in run.probes]
    return {
        "changed": changed_production(verified.entries),
        "way": story.facts.way,
        "host": one_line(str(story.opened.get("host") or "")),
        "gate_closed": _seconds(story.production.gate_closed_seconds),
        "held": story.production.only_held,
        "goes_on_from": one_line(under_way.incident) if under_way else "",
        "ended": story.ended if _TIME.fullmatch(story.ended) else "",
        "out_at_first": bool(probes) and not probes[0].good,
        "out_at_last": bool(probes) and not probes[-1].good,
    }


def changed_production(entries: Sequence[Entry]) -> bool:
    """Return whether a change to production began."""
    if any(entry["kind"] == "closed" and entry.get("changes_made") for entry in entries):
        return True
    return any(
        entry["kind"] == "action" and entry.get("scope") == Scope.PRODUCTION and entry["state"] in ("begun", "done")
        for entry in entries
    )


def _kind(story: IncidentReport, *, changed: bool) -> dict[str, str]:
    kind = story.kind
    known = str(story.opened.get("type", "unknown")).removeprefix("emergency-")
    group = "plan" if known == "rehearsal-plan" else known if known in GROUPS else "unknown"
    if group == "unknown":
        kind = group
    if story.opened.get("mode") == "plan" and group in ("emergency", "restore"):
        group = "plan"
    if group in ("rollback", "emergency", "restore") and story.closed and not changed:
        group, kind = "unchanged", f"{kind} that changed nothing"
    return {"group": group, "kind": one_line(kind)}


def _alarm(story: IncidentReport) -> str:
    if story.production.traffic_paused:
        return f"traffic was {'held' if story.production.traffic_held else 'paused'} when it ended"
    if story.still_down:
        return "users were not served when it ended"
    if story.production.left_unknown:
        return "the final state of production is unknown"
    return f"the journal could not be written ({one_line(story.trouble)})" if story.trouble else ""


def _seconds(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None
