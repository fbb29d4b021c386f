"""Time limits for the locks and statements of a migration, enforced in the database for any driver.

PGOPTIONS works only with libpq; asyncpg and other drivers ignore it. So the sessions from the container's address are
watched while the migration runs. If a session waits for a lock or runs a statement for longer than the settings allow,
the statement is cancelled. If that does not help, the session is terminated.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

from runbook.actions import Question
from runbook.chapters.context import Context
from runbook.chapters.migrating import migrate_command
from runbook.chapters.migrating.migrate_command import Direction
from runbook.errors import CheckFailed, CommandFailed, Inconclusive, RunbookError
from runbook.hosts.command import NullRecorder
from runbook.hosts.opening import open_host
from runbook.hosts.signals import signals_blocked
from runbook.migrations.database import Database, literal
from runbook.production.compose import Production
from runbook.settings.absent import Absent
from runbook.settings.database import DatabaseSettings
from runbook.text import visible

_EVERY = 1.0  # seconds between two polls
_GRACE = 5.0  # seconds within which a cancelled statement must end
_ENDS_WITHIN = 5.0  # seconds within which the thread must end
_SESSIONS = """
SELECT pid, query_start, coalesce(wait_event_type = 'Lock', false),
    extract(epoch FROM clock_timestamp() - query_start), left(query, 200),
    (SELECT string_agg(pid || ' (' || coalesce(nullif(application_name, ''), usename) || ')', ', ')
     FROM pg_stat_activity other WHERE other.pid = ANY (pg_blocking_pids(own.pid)))
FROM pg_stat_activity own
WHERE datname = current_database() AND state = 'active' AND host(client_addr) IN ({addresses})
"""
_CONNECTED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND host(client_addr) IN ({addresses})"
)


@dataclass(frozen=True)
class Session:
    """A session whose statement has run for `runs` seconds. `pid` and `began` identify both."""

    pid: int
    began: str
    waits: bool
    runs: float
    query: str
    blocked_by: str


class Limits:
    """The time limits of one migration's sessions, and the actions against sessions that exceeded them."""

    def __init__(self, settings: DatabaseSettings, database: Database) -> None:
        self._lock, self._statement = settings.lock_timeout, settings.statement_timeout
        self._database = database
        #: When each wait for a lock was first seen, and when each statement was cancelled, by session and statement.
        self._waits: dict[tuple[int, str], float] = {}
        self._cancelled: dict[tuple[int, str], float] = {}
        #: Each cancelled statement and each terminated session, in words.
        self.done: list[str] = []
        #: Whether any session of the migration was seen.
        self.seen = False

    def observe(self, addresses: Iterable[str], now: float) -> None:
        """Look once, at `now` (monotonic seconds), and end what exceeds its limit. Raises the database's errors."""
        listed = ", ".join(literal(address) for address in sorted(addresses))
        if not listed:
            return
        self.seen = self.seen or self._database.ask(_CONNECTED.format(addresses=listed)) != [["0"]]
        sessions = [_session(row) for row in self._database.ask(_SESSIONS.format(addresses=listed))]
        active = {(session.pid, session.began) for session in sessions}
        self._waits = {key: since for key, since in self._waits.items() if key in active}
        for session in sessions:
            if why := self._too_long(session, now):
                self._end(session, why, now)

    def _too_long(self, session: Session, now: float) -> str | None:
        key = (session.pid, session.began)
        if not session.waits:
            self._waits.pop(key, None)
        elif now - self._waits.setdefault(key, now) >= self._lock:
            by = f", held by session {session.blocked_by}" if session.blocked_by else ""
            return f"waited longer than {self._lock:g} s (database.lock_timeout) for a lock{by}"
        if session.runs >= self._statement:
            return f"ran longer than {self._statement:g} s (database.statement_timeout)"
        return None

    def _end(self, session: Session, why: str, now: float) -> None:
        key = (session.pid, session.began)
        if now - self._cancelled.get(key, -_GRACE) < _GRACE:
            return
        how = "pg_terminate_backend" if key in self._cancelled else "pg_cancel_backend"
        self._cancelled[key] = now
        # PID and start time, because PIDs are reused.
        same = f"pid = {session.pid} AND query_start = {literal(session.began)}"
        answer = self._database.ask(f"SELECT {how}(pid) FROM pg_stat_activity WHERE {same}")  # noqa: S608 - quoted
        did = "was cancelled" if answer == [["t"]] else f"could not be ended by {how}"
        self.done.append(visible(f"`{session.query}` {why} and {did}"))


def _session(row: list[str]) -> Session:
    pid, began, waits, runs, query, blocked_by = row
    return Session(int(pid), began, waits == "t", float(runs), " ".join(query.split()), blocked_by)


def addresses_of(production: Production, container: str) -> list[str]:
    """Return the addresses of a container; none while it does not exist, or if it uses the host's network."""
    answer = production.container(container)
    found: list[str] = []
    with suppress(LookupError, AttributeError, TypeError):
        for network in (answer or {})["NetworkSettings"]["Networks"].values():
            for name in ("IPAddress", "GlobalIPv6Address"):
                with suppress(ValueError, KeyError):
                    found.append(str(ip_address(network[name])))
    return found


class _Watch:
    """Observes in a separate thread, off the record. What it did is recorded at the end."""

    def __init__(self, context: Context, settings: DatabaseSettings, container: str) -> None:
        host = open_host(context.settings.host, NullRecorder())
        self._production = Production(host, context.settings.project, context.settings.deadlines)
        self._container = container
        self.limits = Limits(settings, context.database.quiet(self._production))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="time limits", daemon=True)
        #: Why the last look failed, if it did.
        self.trouble = ""

    def start(self) -> None:
        """Start the thread."""
        with signals_blocked():
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for its end for at most `_ENDS_WITHIN` seconds."""
        self._over.set()
        self._thread.join(_ENDS_WITHIN)

    def _work(self) -> None:
        addresses: list[str] = []
        while not self._over.wait(_EVERY):
            try:
                addresses = addresses or addresses_of(self._production, self._container)
                self.limits.observe(addresses, time.monotonic())
                self.trouble = ""
            except RunbookError as error:
                self.trouble = error.seen
            except Exception as error:  # noqa: BLE001 - a watch that fails must not end what it watches
                self.trouble = f"{type(error).__name__}: {error}"


@contextmanager
def kept(context: Context, direction: Direction) -> Iterator[None]:
    """Enforce `database.lock_timeout` and `database.statement_timeout` on the migration's sessions.

    If the migration fails after a statement was cancelled, raises CheckFailed with the reason instead of CommandFailed.
    """
    settings = context.settings.database
    if settings is None:
        raise Inconclusive(Absent.DATABASE.told, "add [database] to the settings")
    watch = _Watch(context, settings, migrate_command.container(context, direction))
    watch.start()
    try:
        yield
    except CommandFailed as error:
        watch.stop()
        if not watch.limits.done:
            raise
        raise CheckFailed(
            f"{'; '.join(watch.limits.done)}; then {error.seen}",
            "end the session that holds the lock, or raise the limit in the settings, then continue with --resume",
        ) from error
    finally:
        watch.stop()
        _record(context, watch)


def _record(context: Context, watch: _Watch) -> None:
    if watch.limits.done:
        answer, evidence = "no", watch.limits.done
    elif watch.limits.seen:
        answer, evidence = "yes", ["its sessions were watched in the database"]
    else:
        why = watch.trouble or "no session was seen from its container's address (it was quick, or uses a pooler)"
        answer, evidence = "not known", [why]
    text = "Did the migration keep its limits for locks and statements?"
    context.incident.record_decision(Question.TIME_LIMITS, text, answer, evidence)
