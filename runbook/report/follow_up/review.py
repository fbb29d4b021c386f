"""The facts for a review: since when, how it was noticed, the impact, the cause, the owner and the due date."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from runbook.clock import moment, seconds_between
from runbook.incident.facts import Facts
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.journal.journal import Entry
from runbook.text import beginning, counted, times

_HOURS_OR_DAYS = re.compile(r"([0-9]{1,4})([hd])")
_LINK = re.compile(r"https?://[^\s<>\"']+", re.ASCII)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
# A doubled brace stands for one brace.
_PLACE = re.compile(r"\{(\w+)\}|\{\{|\}\}")
#: The time shown before and after the incident in graphs and chats.
_AROUND = timedelta(minutes=15)
_LONGEST_CAUSE = 200


@dataclass(frozen=True)
class Link:
    """A link with the incident's time range filled in."""

    name: str
    url: str


@dataclass(frozen=True)
class Review:
    """The facts for a review. Times are UTC. Facts that are not on record are empty, or None.

    `live_since` is when the first container of the failed release was created, `cause` what was wrong in the first
    snapshot of production, `due` when the follow-ups are due.
    """

    live_since: str = ""
    detected_at: str = ""
    impact: str = ""
    severity: str = ""
    cause: str = ""
    owner: str = ""
    due: str = ""
    links: tuple[Link, ...] = ()

    @property
    def live_before_detected(self) -> float | None:
        """The seconds for which the failed release was live before it was noticed."""
        if not self.live_since or not self.detected_at or self.detected_at < self.live_since:
            return None
        return seconds_between(self.live_since, self.detected_at)

    @property
    def told(self) -> bool:
        """Whether there is any fact."""
        return self != Review()


def review(entries: Sequence[Entry]) -> Review:
    """Return the facts for a review from the journal."""
    asked, settings = _asked(entries), _settings(entries)
    found, failed = _first_look(entries), Facts.of(entries, ("origin",)).origin
    live_since = _live_since(found, failed.tags if failed else ()) if found else ""
    detected_at = str(asked.get("detected_at") or "")
    return Review(
        live_since=live_since,
        detected_at=detected_at,
        impact=str(asked.get("impact") or ""),
        severity=str(asked.get("severity") or ""),
        cause=cause(found) if found else "",
        owner=str(settings.get("owner") or ""),
        due=_due(entries, str(settings.get("due_after") or "")),
        links=tuple(_links(entries, settings, detected_at or live_since)),
    )


def _asked(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the options that were typed, the newest of each."""
    asked: dict[str, Any] = {}
    for entry in entries:
        if entry["kind"] in ("opened", "resumed") and isinstance(entry.get("asked_for"), Mapping):
            asked |= {name: value for name, value in entry["asked_for"].items() if value}
    return asked


def _settings(entries: Sequence[Entry]) -> Mapping[str, Any]:
    begun = [entry for entry in entries if entry["kind"] in ("opened", "resumed")]
    told = [entry["review"] for entry in begun if isinstance(entry.get("review"), Mapping)]
    return told[-1] if told else {}


def _first_look(entries: Sequence[Entry]) -> Snapshot | None:
    """Return the first snapshot of production. Later runs may find it half rolled back."""
    looks = (Facts.of([entry], ("before",)).before for entry in entries if entry["kind"] == "fact")
    return next((look for look in looks if look), None)


def _live_since(found: Snapshot, tags: Sequence[str]) -> str:
    made = [each.created or each.started_at for each in found.containers if each.tag and each.tag in tags]
    # Without the nanoseconds.
    stamps = [stamp[0] for each in made if (stamp := _STAMP.match(each))]
    return f"{min(stamps)}Z" if stamps else ""


def cause(found: Snapshot) -> str:
    """Return what was wrong with production at first, in one line. Empty if nothing was seen."""
    told = list(_causes(found))
    return beginning("; ".join(told), _LONGEST_CAUSE) if told else ""


def _causes(found: Snapshot) -> Iterator[str]:
    readiness = found.readiness
    if isinstance(readiness, Unknown):
        yield f"readiness not known: {readiness.unknown}"
    else:
        answer, status = readiness.get("answer"), readiness.get("status")
        bad = [name for name, value in answer.items() if value is False] if isinstance(answer, Mapping) else []
        if bad:
            yield f"readiness false: {', '.join(map(str, bad))}"
        elif status not in (200, None):
            yield f"readiness answers HTTP {status}"
    for each in found.containers:
        if each.tag and (each.state != "running" or each.health == "unhealthy" or each.restarts):
            health = f", {each.health}" if each.health == "unhealthy" else ""
            restarts = f", {counted(each.restarts, 'restart')}" if each.restarts else ""
            yield f"{each.name} {each.state}{health}{restarts}"
    if not isinstance(found.log_errors, Unknown) and found.log_errors:
        signature, number = max(found.log_errors.items(), key=lambda each: each[1])
        others = len(found.log_errors) - 1
        more = f" and {counted(others, 'other error')}" if others else ""
        yield f"{times(number)} in the logs: {signature}{more}"


def _due(entries: Sequence[Entry], after: str) -> str:
    found = _HOURS_OR_DAYS.fullmatch(after)
    if not found or not entries:
        return ""
    count = timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))
    return _stamp(moment(entries[-1]["time"]) + count)


def _links(entries: Sequence[Entry], settings: Mapping[str, Any], since: str) -> Iterator[Link]:
    if not entries:
        return
    opened = entries[0]
    began, ended = moment(since) if since else moment(opened["time"]), moment(entries[-1]["time"])
    first, last = min(began, moment(opened["time"])) - _AROUND, ended + _AROUND
    places = {
        "incident": quote(str(opened.get("incident", "")), safe=""),
        "project": quote(str(opened.get("project", "")), safe=""),
        "from": _stamp(first),
        "to": _stamp(last),
    }
    for name, at in (("from", first), ("to", last)):
        places |= {f"{name}_s": f"{at.timestamp():.0f}", f"{name}_ms": f"{at.timestamp() * 1000:.0f}"}
    for each in settings.get("links") or ():
        url = _PLACE.sub(lambda place: places.get(place[1] or "", place[0][:1]), str(each["url"]))
        if _LINK.fullmatch(url):
            yield Link(str(each["name"]), url)


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
