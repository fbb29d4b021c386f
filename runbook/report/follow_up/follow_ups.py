"""The follow-ups of an incident: messages sent, files and switches left changed, and what is unfinished."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runbook.actions import ActionName
from runbook.command_hints import enable_command, invocation
from runbook.incident.facts import Facts
from runbook.incident.production_facts import QuarantineFact
from runbook.incident.schema_facts import RestorePointFact
from runbook.journal.journal import Entry
from runbook.report.follow_up.next_steps import ToDo, to_do
from runbook.report.production_view import look_of

# No userinfo: only a host and a port may precede the path.
_LINK = re.compile(r"https?://[\w.-]+(:[0-9]+)?(/[^\s<>\"']*)?(?![^\s])", re.ASCII)
_HOURS_OR_DAYS = re.compile(r"([0-9]{1,4})([hd])")


@dataclass(frozen=True)
class Announcement:
    """The announcement in the incident channel.

    `state` is `done`, `planned`, or `begun` if it is unknown whether it was sent. `sent` is the time (UTC), empty if
    unknown. `head` is the journal's head hash in the message, empty if it has none yet.
    """

    title: str
    text: str
    state: str
    sent: str = ""
    receipt: str = ""
    head: str = ""


@dataclass(frozen=True)
class Ticket:
    """The follow-up ticket. `state` is as in `Announcement`.

    `address` is an http or https URL, empty if the tracker returned none that is safe to link to.
    """

    title: str
    text: str
    state: str
    opened: str = ""
    receipt: str = ""
    address: str = ""


@dataclass(frozen=True)
class Message:
    """A message that was sent during the execution. `state` is `done`, `failed`, or `begun` if unknown.

    `turn` is the event that it reports. `at` is when it was written (UTC). `why` is the reason why it was not sent.
    """

    turn: str
    at: str
    title: str
    text: str
    state: str = "begun"
    why: str = ""


@dataclass(frozen=True)
class SwitchOff:
    """A kill switch that was off in the last snapshot.

    `owner` is who turns it on again, empty if the settings name no owner. `since` is when this incident turned it off
    (UTC), empty if it was off before. `remind_after` is the setting; `due` is `since`, or else the time of the last
    snapshot, plus `remind_after` (UTC). Both are empty without a reminder. `command` turns the switch on again.
    """

    name: str
    variable: str
    value: str
    owner: str = ""
    since: str = ""
    remind_after: str = ""
    due: str = ""
    command: str = ""


@dataclass(frozen=True)
class LeftFile:
    """A file that the incident left on the production host, with a description."""

    path: str
    what: str


@dataclass(frozen=True)
class FollowUps:
    """Everything that an incident left. `to_do` is sorted by urgency."""

    to_do: tuple[ToDo, ...]
    ticket: Ticket | None
    announcement: Announcement | None
    messages: tuple[Message, ...]
    switches_off: tuple[SwitchOff, ...]
    quarantined: tuple[QuarantineFact, ...]
    restore_points: tuple[RestorePointFact, ...]
    left_files: tuple[LeftFile, ...]

    @property
    def left_anything(self) -> bool:
        """Whether the incident left anything: a message, a restore point, a file."""
        parts = (self.messages, self.quarantined, self.restore_points, self.left_files)
        return any((self.ticket, self.announcement, *parts))


def follow_ups(entries: Sequence[Entry], *, end_unknown: bool = False) -> FollowUps:
    """Return everything that an incident left, over all its runs.

    `end_unknown`: the end of the journal cannot be trusted (status.py).
    """
    quarantined = Facts.of(entries, ("quarantined",)).quarantined
    announced, opened = (_message(entries, name) for name in (ActionName.ANNOUNCE, ActionName.OPEN_TICKET))
    return FollowUps(
        to_do=tuple(to_do(entries, end_unknown=end_unknown)),
        ticket=_ticket(*opened) if opened else None,
        announcement=_announcement(*announced) if announced else None,
        messages=tuple(_messages(entries)),
        switches_off=tuple(_switches_off(entries)),
        quarantined=(quarantined,) if quarantined and quarantined.digests else (),
        restore_points=tuple(_restore_points(entries)),
        left_files=tuple(_left_files(entries)),
    )


def _message(entries: Sequence[Entry], name: ActionName) -> tuple[Mapping[str, str], Entry] | None:
    """Return the newest message of that kind, and the newest entry about it."""
    said: Mapping[str, str] = {"title": "", "text": ""}
    newest: Entry | None = None
    for entry in entries:
        if entry["kind"] != "action" or entry.get("action") != name:
            continue
        if "message" in entry:
            said, newest = entry["message"], entry
        elif newest is not None and newest["state"] != "done":
            newest = entry
    return (said, newest) if newest is not None else None


def _messages(entries: Sequence[Entry]) -> Iterator[Message]:
    """Return the messages that were sent during the execution, in order."""
    found: list[Message] = []
    for entry in entries:
        if entry["kind"] != "told":
            continue
        if entry["state"] == "begun":
            found.append(Message(entry["turn"], entry["time"], entry["title"], entry["text"]))
            continue
        # The newest one of that turn: a resumed run sends again what a killed run may not have sent.
        place = max((at for at, each in enumerate(found) if each.turn == entry["turn"]), default=None)
        if place is not None:
            found[place] = replace(found[place], state=entry["state"], why=entry.get("why", ""))
    yield from found


def _announcement(said: Mapping[str, str], newest: Entry) -> Announcement:
    return Announcement(said["title"], said["text"], *_sent(newest), said.get("head", ""))


def _ticket(said: Mapping[str, str], newest: Entry) -> Ticket:
    state, opened, receipt = _sent(newest)
    link = _LINK.search(receipt)
    return Ticket(said["title"], said["text"], state, opened, receipt, link[0] if link else "")


def _sent(newest: Entry) -> tuple[str, str, str]:
    """Return the state, time and receipt of a message. A message that was found sent is done at an unknown time."""
    receipt = "; ".join(newest.get("receipts", [])) or newest.get("evidence", "")
    if newest["state"] == "already so":
        return "done", "", receipt
    return newest["state"], newest["time"] if newest["state"] == "done" else "", receipt


def _switches_off(entries: Sequence[Entry]) -> Iterator[SwitchOff]:
    looks = [look for entry in entries if (look := look_of(entry))]
    opened = entries[0] if entries else {}
    project, begun = str(opened.get("project", "")), invocation(opened)
    for name, switch in sorted(looks[-1].switches.items()) if looks else ():
        if switch.state != "off":
            continue
        was_on = any(name not in look.switches or look.switches[name].state != "off" for look in looks)
        since = _turned(entries, switch.variable, switch.value) if was_on else ""
        after = switch.remind_after or ""
        yield SwitchOff(
            name=name,
            variable=switch.variable,
            value=switch.value,
            owner=switch.owner or "",
            since=since,
            remind_after=after,
            due=_due(since or looks[-1].at, after),
            command=enable_command(name, project, begun),
        )


def _turned(entries: Sequence[Entry], variable: str, value: str) -> str:
    """Return when this incident last set the switch to that position. Empty if not on record."""
    done = [entry for entry in entries if entry["kind"] == "action" and entry["state"] == "done"]
    times = [
        str(entry["time"])
        for entry in done
        if entry.get("action") == ActionName.SET_KILL_SWITCH
        and (entry.get("variable"), entry.get("to")) == (variable, value)
    ]
    return times[-1] if times else ""


def _due(since: str, after: str) -> str:
    """Return `since` (UTC) plus `after` (`24h`, `2d`). Empty for anything else."""
    found = _HOURS_OR_DAYS.fullmatch(after)
    if found is None:
        return ""
    count = timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))
    return (datetime.fromisoformat(since) + count).isoformat(timespec="seconds").replace("+00:00", "Z")


def _restore_points(entries: Sequence[Entry]) -> Iterator[RestorePointFact]:
    """Return every dump on record, with the newest entry about each."""
    facts = (Facts.of([entry], ("restore point",)).restore_point for entry in entries)
    yield from {fact.path: fact for fact in facts if fact}.values()


def _left_files(entries: Sequence[Entry]) -> Iterator[LeftFile]:
    """Return the files that changes left on the host and no later change removed, also of unfinished changes."""
    left: dict[str, LeftFile] = {}
    for entry in entries:
        if entry["kind"] != "action" or entry["state"] not in ("begun", "done"):
            continue
        left |= {kept["path"]: LeftFile(kept["path"], kept["what"]) for kept in entry.get("leaves", [])}
        for path in entry.get("removes", []) if entry["state"] == "done" else []:
            left.pop(path, None)
    yield from left.values()
