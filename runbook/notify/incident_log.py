"""The team's incident log: one entry per incident, with the applied action."""

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
_NEW_MODE = 0o666  # less the umask
# Nonblocking, because opening a pipe without a reader would wait. Also for reading, to find an existing entry.
_OPENED = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
_AGAIN = 0.1  # seconds between two attempts to lock it


class Applied(NamedTuple):
    """The entry's members besides the facts: who applied the action and when (UTC), its cost, the record and ticket."""

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
    """Return title and text of the entry, in Markdown."""
    text, code, title_of = MARKDOWN.redacting(redact)
    failed, target = from_to(facts)
    if switch := facts.switch:
        title = f"{applied.project}: {switch.name} turned {switch.state}"
        lines = [f"Kill switch: {code(switch.name)}, {code(f'{switch.variable}={switch.value}')}"]
        if switch.state == "off":
            lines.append(f"To be turned on again by: {text(switch.owner or 'the settings name no owner')}")
    elif restore := restore_told(facts):
        title = f"{applied.project}: restored from {PurePosixPath(restore.dump).name}"
        fits = f"once the env file names a release that fits the schema {restore.revisions}"
        lines = [*map(text, schema_told(facts, applied.restore_point))]
        if restore.application_stopped:
            lines.append(f"To start the application, {text(fits)}: {code(restore.start)}")
        former = f"the database {code(restore.kept_as)}, once nobody needs its rows"
        lines.append(f"To remove {former}: {code(restore.remove)}")
    elif applied.kind is Kind.ABANDON:
        title = f"{applied.project}: the switch from {failed} to {target} was abandoned"
        lines = [
            f"{code(failed)} keeps running, and stays in quarantine. Its fault is not fixed.",
            f"All containers of {code(target)} were removed.",
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
    """The log. Its file is on the machine that runs pytest, and its command runs there."""

    def __init__(self, settings: IncidentLogSettings, host: Host, deadline: float) -> None:
        """`host` runs the command, within `deadline` seconds. Raises SettingsError when no entry can be written."""
        self._file, self._command = settings.file, settings.command or ()
        self._host = host
        self._deadline = deadline
        if self._file and (why := _unwritable(self._file)):
            raise SettingsError(
                f"the incident log {self._file} cannot be written: {why}; expected a file that this user may write",
                "correct incident_log.file in the settings, or its permissions",
            )
        if self._command:
            look = ("sh", "-c", 'command -v -- "$1"', "sh", self._command[0])
            if host.run(Command(look, deadline)).exit_code != 0:
                raise SettingsError(
                    f"the program {self._command[0]}, which takes the incident log's entry, does not exist",
                    f"correct incident_log.command in the settings: {shlex.join(('command', '-v', self._command[0]))}",
                )

    def documenting(self, incident: str, title: str, text: str, kind: str = "") -> Action:
        """Return the change that adds the entry, unless the file has it.

        `kind` distinguishes it from other entries of the same incident.
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
    """Return the address if it is safe as a plain link in Markdown; else empty."""
    return address if _ADDRESS.fullmatch(address) else ""


def _unwritable(path: Path) -> str:
    """Return why no entry can be added to the file, which need not exist; empty if one can."""
    try:
        file = os.open(path, _OPENED)
    except FileNotFoundError:
        folder = path.resolve().parent
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"this user may not write to the folder {folder}"
    except OSError as error:
        return error.strerror or type(error).__name__
    try:
        return "" if stat.S_ISREG(os.fstat(file).st_mode) else "it is not a regular file"
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
    """Append the entry unless another run did: completely or not at all, with the file's line ends."""
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
            if not os.path.samestat(os.fstat(file), path.stat()):  # as editors do when they save
                raise OSError(None, "somebody replaced the file at the same moment")
        finally:
            os.close(file)
    except OSError as error:
        raise _failed(path, error) from None


def _locked(file: int, deadline: float) -> None:
    """Lock the file against other runs, within `deadline` seconds."""
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
        raise OSError(None, "the disk took only a part of it")
    os.fsync(file)


def _failed(path: Path, error: OSError) -> Inconclusive:
    return Inconclusive(
        f"the incident log {path} could not be written: {error.strerror}",
        "add the entry by hand; it is in the record",
    )
