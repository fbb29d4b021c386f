"""Errors in recent logs, counted by signature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runbook.actions import Check, Observation
from runbook.errors import EngineError, Inconclusive
from runbook.hosts.engine.api import seconds_ago
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.production.logs.counter import ErrorCounter
from runbook.settings.application import LogSettings
from runbook.text import counted

_MOST_BYTES = 64 << 20
_PIECE = 256 << 10  # bytes passed to the counter at once
_UNITS = {"s": 1, "m": 60, "h": 3600}
_MOST_LINES = 50_000  # per container: a release that floods its log must not delay its own rollback
_WHERE_LOGS_GO = (
    "find out where its logs go and read them there; logs.services names the services whose logs can be read here"
)


@dataclass(frozen=True)
class LogErrors:
    """Errors in logs: occurrences by signature (service and message without variable parts).

    `cut` names the containers whose logs were not read in full, only their newest lines.
    """

    counts: Mapping[str, int]
    cut: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The number of errors."""
        return sum(self.counts.values())

    def new_against(self, before: Mapping[str, int]) -> list[str]:
        """Return the signatures that are not in `before`, most frequent first."""
        new = [signature for signature in self.counts if signature not in before]
        return sorted(new, key=lambda signature: -self.counts[signature])


class _Pieces:
    """Passes the log of one container to the counter in large pieces, with the container's name before each line."""

    def __init__(self, counter: ErrorCounter, name: str) -> None:
        self._counter = counter
        self._before = f"{name} | ".encode()
        self._rest = bytearray()
        self._in_endless_line = False
        self.bytes = 0

    def take(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        if self._in_endless_line:
            _, newline, rest = chunk.partition(b"\n")
            self._in_endless_line, chunk = not newline, newline + rest
        self._rest += chunk
        if len(self._rest) >= _PIECE:
            whole, ended, self._rest = self._rest.rpartition(b"\n")
            self._pass_on(whole)
            # Only the start of an endless line is kept.
            del self._rest[_PIECE:]
            self._in_endless_line = not ended

    def end(self) -> None:
        """Pass on the rest as a line, if there is any."""
        self._pass_on(self._rest.removesuffix(b"\n"))
        self._rest = bytearray()

    def _pass_on(self, lines: bytearray) -> None:
        if lines:
            self._counter.feed(self._before + lines.replace(b"\n", b"\n" + self._before) + b"\n")


class Logs:
    """The logs of the application's services."""

    def __init__(self, production: Production, settings: LogSettings, redact: Callable[[str], str]) -> None:
        self._production = production
        self._settings = settings
        self._redact = redact

    def recent(self) -> LogErrors:
        """Return the errors of the last `logs.window`.

        Raises ProductionError when a service has no container. Raises Inconclusive when logs are not kept, cannot be
        read or are too long, or when no container ever wrote a line.
        """
        # `docker compose logs` of a service without containers prints nothing and exits 0.
        containers = self._production.of_services(self._settings.services)
        if unkept := [each.name for each in containers if each.log_driver == "none"]:
            raise Inconclusive(f"no logs exist for {', '.join(unkept)} (logging driver none)", _WHERE_LOGS_GO)
        counter = ErrorCounter(self._settings.ignore, self._redact)
        since = seconds_ago(int(self._settings.window[:-1]) * _UNITS[self._settings.window[-1]])
        size = 0
        # The counter reads the service from the prefix of each line: its name and a number.
        names = {f"{each.service}-{number}": each for number, each in enumerate(containers, 1)}
        for name, each in names.items():
            pieces = _Pieces(counter, name)
            size += self._read(each, pieces, _MOST_BYTES - size, since)
        # A quiet application is fine. One that never wrote a line logs somewhere else.
        unheard = ErrorCounter()
        if not size and not any(self._read(each, _Pieces(unheard, "x-1"), _MOST_BYTES, tail=1) for each in containers):
            raise Inconclusive(
                f"{', '.join(each.name for each in containers)} never wrote a line to their logs", _WHERE_LOGS_GO
            )
        cut = tuple(names[name].name for name, lines in counter.lines.items() if lines >= _MOST_LINES)
        return LogErrors(dict(counter.counts), cut)

    def _read(
        self,
        container: Container,
        pieces: _Pieces,
        most: int,
        since: float | None = None,
        tail: int = _MOST_LINES,
    ) -> int:
        """Pass on one container's log, and return its size in bytes."""
        try:
            whole = self._production.log_of(container, pieces.take, since=since, tail=tail, most=most)
        except EngineError as error:
            raise Inconclusive(f"the logs of {container.name} cannot be read: {error.seen}", _WHERE_LOGS_GO) from None
        if not whole:
            raise Inconclusive(f"the logs are too long: more than {_MOST_BYTES} bytes", "shorten logs.window")
        pieces.end()
        return pieces.bytes

    def check_no_new_errors(self, before: Mapping[str, int] | None) -> Check:
        """Check that the logs have no error that is not in `before`, which has counts by signature.

        Without `before` (no switch in this run) there must be no error at all. The logs begin at the switch, because it
        created new containers.
        """

        def observe() -> Observation:
            now = self.recent()
            new = now.new_against(before or {})
            if now.cut and not new:
                window, services = self._settings.window, self._settings.services
                raise Inconclusive(
                    f"no new errors found, but only the newest {_MOST_LINES} lines of the last {window} of"
                    f" {', '.join(now.cut)} were read",
                    f"read the rest: {self._production.compose('logs', '--since', window, *services)}; or"
                    " shorten logs.window",
                )
            known = now.total - sum(now.counts[signature] for signature in new)
            told = f"{counted(now.total, 'error')} in the last {self._settings.window}"
            if before is not None:
                errors = counted(sum(before.values()), "error")
                told = f"{errors} before the switch; {now.total} after it, {known} of them known"
            cut = f" (only the newest {_MOST_LINES} lines of {', '.join(now.cut)} were read)" if now.cut else ""
            return Observation(not new, f"{told}{cut}{': new: ' if new else ''}{'; '.join(new[:5])}")

        return Check(
            "no new errors in recent logs" if before is not None else "no errors in recent logs",
            observe,
            "read the logs; add errors known to be harmless to logs.ignore",
        )
