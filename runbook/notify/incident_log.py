"""The team's own incident log: one entry an incident, with the action that was applied."""

import fcntl
import os
import re
import shlex
import stat
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runbook.actions import Action, ActionName, Message, Scope
from runbook.errors import Inconclusive, SettingsError
from runbook.hosts.command import Command
from runbook.hosts.host import Host
from runbook.incident.facts import Facts
from runbook.notify.markup import MARKDOWN
from runbook.notify.telling import Kind
from runbook.notify.wording import from_to, is_forward, restore_told, schema_told, switched_off
from runbook.settings.people import IncidentLogSettings

_ADDRESS = re.compile(r"https?://[A-Za-z0-9./:#-]+")
_NEW_MODE = 0o666  # as the umask of the team's machine leaves it
# Without waiting, as for a pipe that nobody reads; it is read as well, to find an entry that is there.
_OPENED = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
_AGAIN = 0.1  # seconds between two tries to lock it


class Applied(NamedTuple):
    """What a log says of an action besides its facts: who applied it and when (UTC), what it cost, where more is."""

    incident: str
    project: str
    operator: str
    at: str
    down: str
    record: str
    restore_point: str = ""
    ticket: str = ""
    kind: Kind = Kind.ROLLBACK


def entry(applied: Applied, facts: Facts, redact: Callable[[str], str]) -> tuple[str, str]:
    """Title and text of the entry, in Markdown."""
    text, code, title_of = MARKDOWN.redacting(redact)
    failed, target = from_to(facts)
    if switch := facts.switch:
        title = f"{applied.project}: {switch.name} turned {switch.state}"
        lines = [f"Kill switch: {code(switch.name)}, {code(f'{switch.variable}={switch.value}')}"]
        lines += (
            [f"To be turned on again by: {text(switch.owner or 'nobody is named')}"] if switch.state == "off" else []
        )
    elif restore := restore_told(facts):
        title = f"{applied.project}: restored from {PurePosixPath(restore.dump).name}"
        fits = f"once the env file names a release that fits the schema {restore.revisions}"
        lines = [
            *map(text, schema_told(facts, applied.restore_point)),
            *([f"To start the application, {text(fits)}: {code(restore.start)}"] if restore.stands_still else []),
            f"To remove the database {code(restore.kept_as)}, when nobody needs its rows: {code(restore.remove)}",
        ]
    elif applied.kind is Kind.ABANDON:
        title = f"{applied.project}: the switch from {failed} to {target} was abandoned"
        lines = [
            f"{code(failed)} goes on as before, and stays in quarantine. What was wrong with it is not mended.",
            f"What was started of {code(target)} was taken away.",
            *map(text, switched_off(facts)),
        ]
    else:
        title = f"{applied.project}: {'forward' if is_forward(facts) else 'rolled back'} from {failed} to {target}"
        lines = [
            f"Strategy: {text(facts.strategy or 'not on record')}",
            f"Release: {code(failed)} → {code(target)}",
            *map(text, schema_told(facts, applied.restore_point)),
            *(f"Data drift to reconcile: {text(loss)}" for loss in facts.loss or ()),
            *map(text, switched_off(facts)),
        ]
    lines += [
        f"Applied by: {text(applied.operator)}, {text(applied.at)}",
        f"Seconds without service, as measured: {text(applied.down)}.",
        *([f"Follow-up ticket: {_link(applied.ticket) or text(applied.ticket)}"] if applied.ticket else []),
        f"Record: {code(applied.record)}",
        f"Incident: {code(applied.incident)}",
    ]
    return title_of(redact(title)), "\n".join(f"- {line}" for line in lines)


class IncidentLog:
    """The log, on the machine that runs pytest; its command, too, runs there."""

    def __init__(self, settings: IncidentLogSettings, host: Host, deadline: float) -> None:
        """`host` runs its command, within `deadline` seconds. Raises SettingsError when no entry can be written."""
        self._file, self._command = settings.file, settings.command or ()
        self._host = host
        self._deadline = deadline
        if self._file and (why := _unwritable(self._file)):
            raise SettingsError(
                f"the incident log {self._file} cannot be written, since {why}; expected one that this user may write",
                "correct incident_log.file in the settings, or its permissions",
            )
        if self._command:
            look = ("sh", "-c", 'command -v -- "$1"', "sh", self._command[0])
            if host.run(Command(look, deadline)).exit_code != 0:
                raise SettingsError(
                    f"there is no program {self._command[0]} to take the incident log's entry",
                    f"correct incident_log.command in the settings: {shlex.join(('command', '-v', self._command[0]))}",
                )

    def documenting(self, incident: str, title: str, text: str, kind: str = "") -> Action:
        """The change that adds the entry; one that is in the file counts.

        `kind` tells it from another entry of the same incident.
        """
        marker = f"<!-- rollback-runbook {incident}{f' {kind}' if kind else ''} -->"
        written = f"## {title}\n\n{marker}\n\n{text}\n"

        def already() -> str | None:
            there = self._file is not None and marker.encode() in _read(self._file)
            return f"the entry is in {self._file}" if there else None

        def send() -> str:
            if self._file:
                _append(self._file, marker, written, self._deadline)
                return f"entered in {self._file}"
            self._host.check(Command(self._command, self._deadline, stdin=written.encode()))
            return f"taken by {self._command[0]}"

        return Action(
            ActionName.LOG_INCIDENT,
            "the applied action is documented in the incident log",
            already=already,
            scope=Scope.PEOPLE,
            resource=str(self._file or self._command[0]),
            new=kind or None,
            message=Message(title, text, send),
        )


def _link(address: str) -> str:
    """The address, where it is one that cannot be anything else in Markdown; else empty."""
    return address if _ADDRESS.fullmatch(address) else ""


def _unwritable(path: Path) -> str:
    """Say why no entry can be added to that file, which need not be there; empty when one can."""
    try:
        file = os.open(path, _OPENED)
    except FileNotFoundError:
        folder = path.resolve().parent
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} is no folder that this user may write"
    except OSError as error:
        return error.strerror or type(error).__name__
    try:
        return "" if stat.S_ISREG(os.fstat(file).st_mode) else "it is no regular file"
    finally:
        os.close(file)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _failed(path, error) from None


def _append(path: Path, marker: str, written: str, deadline: float) -> None:
    """Append at once, unless another run has; all of it or nothing, with the line ends that the file has."""
    try:
        file = os.open(path, _OPENED | os.O_CREAT, _NEW_MODE)
        try:
            _locked(file, deadline)
            before = _read(path)
            if marker.encode() in before:
                return
            size = os.fstat(file).st_size
            between = "" if not before else "\n" if before.endswith(b"\n") else "\n\n"
            data = (between + written).encode(errors="replace")
            try:
                _write_all(file, data.replace(b"\n", b"\r\n") if b"\r\n" in before else data)
            except OSError:
                os.ftruncate(file, size)
                raise
            if not os.path.samestat(os.fstat(file), path.stat()):  # as editors do it that save a file
                raise OSError(None, "somebody put another file in its place at the same moment")
        finally:
            os.close(file)
    except OSError as error:
        raise _failed(path, error) from None


def _locked(file: int, deadline: float) -> None:
    """Lock it against other runs, within `deadline` seconds."""
    until = time.monotonic() + deadline
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(None, f"another process has held its lock for {deadline:g} s") from None
            time.sleep(_AGAIN)
        else:
            return


def _write_all(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError(None, "the disk took a part of it only")
    os.fsync(file)


def _failed(path: Path, error: OSError) -> Inconclusive:
    return Inconclusive(
        f"the incident log {path} could not be written: {error.strerror}",
        "add the entry by hand; it stands in the record",
    )
