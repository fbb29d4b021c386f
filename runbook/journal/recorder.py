"""The recorder of commands, requests to the engine, looks at files and HTTP exchanges, as their callers report them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from runbook.hosts.command import Begun, Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.files.look import FileLook
from runbook.hosts.http import HttpResponse
from runbook.hosts.pull_progress import without_bars
from runbook.journal.events import EventListener
from runbook.journal.journal import Journal
from runbook.journal.output_files import Outputs

#: The journal keeps this many characters of each output stream: the last ones, because the error is there.
KEPT_OUTPUT = 64 * 1024
_KEPT_BODY = 4 * 1024


class Recorder:
    """Writes commands, requests to the engine, looks at files and HTTP exchanges to one journal, redacted."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.listener = EventListener()
        self._acting = False
        self._outputs = Outputs(journal.path)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Also record when commands begin: they change something, and the run may die during one."""
        self._acting = True
        try:
            yield
        finally:
            self._acting = False

    def command_began(self, command: Command, begun: Begun) -> None:
        """Pass on that a command began, and record it inside `acting` (the host calls this)."""
        self.listener.command_began(command)
        if self._acting:
            self.journal.write(
                "command began",
                sync=True,
                command=str(command),
                directory=command.directory,
                **asdict(begun),
                deadline=command.deadline,
                if_stopped=list(command.if_stopped),
            )

    def command_progressed(self, command: Command, line: str) -> None:
        """Pass on a line of a command's progress (the host calls this). It is recorded when the command has ended."""
        self.listener.command_progressed(command, line)

    def command_ended(self, completed: Completed) -> None:
        """Record a command that ended (the host calls this)."""
        self.listener.command_ended(completed)
        secret = completed.command.secret_output
        self.journal.write(
            "command",
            command=str(completed.command),
            directory=completed.command.directory,
            stdin_bytes=len(completed.command.stdin) if completed.command.stdin is not None else None,
            exit_code=completed.exit_code,
            seconds=round(completed.seconds, 3),
            stdout=_off_the_record(completed.stdout) if secret else self._kept(completed.stdout, "stdout"),
            stderr=self._kept(completed.stderr, "stderr", talked=completed.command.streams_progress, whole=not secret),
            **({"by_engine": True} if completed.by_engine else {}),
        )

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that was stopped or could not be started (the host calls this).

        `at_large` says that it may still be running.
        """
        more = {"at_large": True} if at_large else {}
        self.journal.write("command", command=str(command), directory=command.directory, stopped=why, **more)

    def engine_asked(self, request: EngineRequest) -> None:
        """Record a request to the engine, without its answer (the host calls this)."""
        self.listener.engine_asked(request)
        told: dict[str, Any] = {"error": request.error} if request.status is None else {"status": request.status}
        seconds = round(request.seconds, 3)
        self.journal.write("engine request", method=request.method, path=request.path, seconds=seconds, **told)

    def files_looked_at(self, look: FileLook) -> None:
        """Record a look at files (the host calls this)."""
        told: dict[str, Any] = {"asked": look.asked, "paths": list(look.paths), "seconds": round(look.seconds, 3)}
        if look.error:
            told["error"] = look.error
        elif look.seen is not None:
            told["seen"] = self._kept(look.seen.encode(), "seen")
        self.journal.write("file look", **told)

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record an HTTP exchange without its headers, or why there was no answer (the HTTP client calls this)."""
        facts: dict[str, Any] = {"method": method, "url": url, "sent": sent}
        if isinstance(answer, str):
            facts["error"] = answer
        else:
            body = self.journal.redactor.text(answer.body)
            facts |= {
                "status": answer.status,
                "seconds": round(answer.seconds, 3),
                "body": body[:_KEPT_BODY],
                "body_characters": len(answer.body),
            }
            if len(body) > _KEPT_BODY:
                facts["body_file"] = self._outputs.keep(body, "body")
        self.journal.write("exchange", **facts)

    def _kept(self, stream: bytes, name: str, *, talked: bool = False, whole: bool = True) -> dict[str, Any]:
        """Return the journal's members about a stream: its end and, with `whole`, the file if it is longer.

        `talked`: the stream has progress bars, which are removed.
        """
        text = stream.decode("utf-8", errors="replace")
        if talked:
            text = "".join(without_bars(text.splitlines(keepends=True)))
        # Redact before cutting: half of a secret is not recognized.
        text = self.journal.redactor.text(text)
        kept: dict[str, Any] = {"bytes": len(stream), "kept": text[-KEPT_OUTPUT:]}
        return kept | self._outputs.keep(text, name) if whole and len(text) > KEPT_OUTPUT else kept


def _off_the_record(stream: bytes) -> dict[str, Any]:
    return {"bytes": len(stream), "kept": "(kept off the record)"}
