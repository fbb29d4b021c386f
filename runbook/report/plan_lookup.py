"""The plan of an execution: found among the records, and kept in short in the execution's journal."""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook.errors import JournalError
from runbook.incident.facts import Facts
from runbook.journal.journal import Entry
from runbook.journal.of_host import entries_of, hosts_of
from runbook.journal.verify import verify
from runbook.release import digest_told
from runbook.report.step_digest import step_digests

#: The highest age of a plan that counts as the plan of an execution.
LONGEST_AGE = timedelta(hours=24)
_LONGEST_SEARCH = 2.0  # seconds
#: In bytes. A plan's journal has a few hundred kilobytes; far larger ones are not read.
_LONGEST_JOURNAL = 32 * 1024 * 1024
_STAMP = re.compile(r"([0-9]{8}T[0-9]{6}Z)-")
_LAST_LINE = 256 * 1024  # bytes; a closing entry is far shorter
#: Options that need not be the same: they do not change what is done, or are compared separately (`target`).
_REASONS = ("because", "override", "target")


@dataclass(frozen=True)
class Sought:
    """The execution whose plan is sought: the members of its first entry that a plan must share."""

    project: str
    directory: str
    asked_for: Mapping[str, Any]
    scenarios: Sequence[str]
    #: When the execution began (UTC).
    began: str

    @classmethod
    def by(cls, opened: Entry) -> "Sought":
        """Return the sought plan of an execution that began with this entry."""
        return cls(
            opened["project"],
            opened["directory"],
            opened["asked_for"],
            list(opened["scenarios"]),
            opened["time"],
        )


def newest_plan(reports: Path, sought: Sought) -> dict[str, Any]:
    """Return the plan of an execution, as its journal keeps it, or `incident` None and `why`. Never raises.

    It is the newest plan with the same scenarios and options, if it is no older than LONGEST_AGE and no run has
    changed this production since. Damaged and unreadable journals are skipped.
    """
    began = datetime.fromisoformat(sought.began)
    until = time.monotonic() + _LONGEST_SEARCH
    for folder in _newest_first(reports, sought.project, began):
        if time.monotonic() > until:
            return _none(f"none was found within {_LONGEST_SEARCH:g} s, and users wait")
        journal = folder / "journal.jsonl"
        opened = first_entry(journal)
        same = (opened.get("project"), opened.get("directory")) == (sought.project, sought.directory)
        if not same or str(opened.get("time", "")) >= sought.began:
            continue
        if opened.get("mode") == "execute" and _may_have_changed(journal):
            return _none(f"incident {folder.name} has changed production since the last plan")
        if _plans(opened, sought) and (found := _read(journal, sought)):
            return found
    return _none(f"no plan for this in the last {LONGEST_AGE // timedelta(hours=1)} hours")


def compared_facts(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the facts that decided the strategy, without values that always differ between runs."""
    hosts = hosts_of(entries)
    if hosts:
        of_each = {host: _in_short(Facts.of(entries_of(entries, host))) for host in hosts}
        return {f"{name} on {host}": value for host, found in of_each.items() for name, value in found.items()}
    return _in_short(Facts.of(entries))


def _in_short(facts: Facts) -> dict[str, Any]:
    before, target, switch = facts.origin or facts.before, facts.target, facts.switch
    ran, returned = before.digests if before else {}, target.digests if target else {}
    found = {
        "release that ran": list(before.tags) if before else None,
        "release to return to": target.tag if target else None,
        **{f"digest of {service} that ran": digest_told(digest) for service, digest in ran.items()},
        **{f"digest of {service} to return to": digest for service, digest in returned.items()},
        "schema revision": None if facts.revisions is None else list(facts.revisions),
        "verdict": facts.verdict.verdict if facts.verdict else None,
        "strategy": facts.strategy,
        "way to switch": facts.switchover.mode if facts.switchover else None,
        "loss": None if facts.loss is None else list(facts.loss),
        "switch": f"{switch.variable}={switch.value}" if switch else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _none(why: str) -> dict[str, Any]:
    return {"incident": None, "why": why}


def _newest_first(reports: Path, project: str, began: datetime) -> Iterator[Path]:
    """Return the record folders of `project` that are recent enough, judged by their names."""
    oldest = (began - LONGEST_AGE).strftime("%Y%m%dT%H%M%SZ")
    try:
        names = sorted(os.listdir(reports), reverse=True)  # noqa: PTH208 - names are enough, and there may be thousands
    except OSError:
        return
    for name in names:
        stamp = _STAMP.match(name)
        if stamp and stamp[1] >= oldest and name.startswith(f"{stamp[0]}{project}-"):
            yield reports / name


def first_entry(journal: Path) -> Mapping[str, Any]:
    """Return the first entry of a journal, unverified. Empty if it cannot be read."""
    try:
        # Reading a pipe could block forever.
        if not journal.is_file():
            return {}
        with journal.open("rb") as file:
            return _entry(file.readline(_LAST_LINE))
    except OSError:
        return {}


def last_entry(journal: Path) -> Mapping[str, Any]:
    """Return the last entry of a journal, unverified. Empty if it cannot be read."""
    try:
        if not journal.is_file():
            return {}
        with journal.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_LINE))
            return _entry(file.read().rstrip(b"\n").rpartition(b"\n")[2])
    except OSError:
        return {}


def _may_have_changed(journal: Path) -> bool:
    """Return whether a run changed production, or may have because its journal was not closed."""
    last = last_entry(journal)
    return last.get("kind") != "closed" or last.get("changes_made") != []


def _entry(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plans(opened: Mapping[str, Any], sought: Sought) -> bool:
    """Return whether a journal with this first entry is a plan of the sought kind, apart from the target."""
    asked, wanted = opened.get("asked_for"), sought.asked_for
    return (
        opened.get("mode") == "plan"
        and opened.get("type") != "validation"
        and isinstance(asked, dict)
        and opened.get("scenarios") == sought.scenarios
        and all(asked.get(name) == wanted.get(name) for name in {*asked, *wanted}.difference(_REASONS))
    )


def _read(journal: Path, sought: Sought) -> dict[str, Any] | None:
    """Return a plan in short. None if its journal is damaged or unfinished, or if it has another target."""
    try:
        if journal.stat().st_size > _LONGEST_JOURNAL:
            return None
        found = verify(journal)
    except (OSError, JournalError):
        return None
    entries = found.entries
    if not found.whole or entries[-1].get("outcome") not in ("planned", "decision needed", "failed"):
        return None
    try:
        opened, facts = entries[0], compared_facts(entries)
        asked, wanted = opened["asked_for"].get("target"), sought.asked_for.get("target")
        # A plan prints the command with `--to` and its own target.
        if wanted not in (asked, Facts.of(entries).target_tag or None):
            return None
        return {
            "incident": opened["incident"],
            "head": found.head,
            "made": opened["time"],
            "by": opened["operator"],
            "asked_for": opened["asked_for"],
            "outcome": entries[-1]["outcome"],
            "facts": facts,
            "steps": [step.as_kept() for step in step_digests(entries)],
        }
    except (LookupError, TypeError, AttributeError, ValueError):  # intact, but not in this version's format
        return None
