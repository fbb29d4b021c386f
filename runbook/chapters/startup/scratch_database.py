"""The copy of production's schema in a trial's database, and whether it has changed since it was made."""

import csv
import io
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from runbook.chapters.context import Context
from runbook.chapters.startup.live_schema import MOST, LiveSchema, live_roles
from runbook.chapters.startup.scratch_project import ScratchProject, database_of
from runbook.errors import CommandTimedOut, Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.migrations.database import ALL_COLUMNS, literal, quoted, version_table
from runbook.text import counted

_PAUSE = 0.2  # seconds
# One command that waits, instead of many that poll.
_UNTIL_READY = "until pg_isready --quiet --host 127.0.0.1; do sleep 0.1 || sleep 1; done"
_NO_SHELL = (126, 127)  # docker's exit codes if the image has no shell
_STOPPED_BY_ERROR = 3  # psql's exit code after an error with ON_ERROR_STOP
_WELL = "00000"  # SQLSTATE
_LOGGED_WITHIN = 5.0  # seconds until the engine has what the server has logged
# fsync is off, because nothing outlives the trial.
_ANYBODY: Final = """
DO $$ BEGIN EXECUTE format('COPY (SELECT unnest(ARRAY[%L, %L])) TO %L',
  'local all all trust', 'host all all all trust', current_setting('hba_file')); END $$;
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET log_connections = on;
ALTER SYSTEM SET log_line_prefix = '%h ';
SELECT pg_reload_conf();
"""
#: Parts that switch the server's logging of every statement on and off.
LOG_STATEMENTS: Final = "ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf();"
LOG_NONE: Final = "ALTER SYSTEM SET log_statement = 'none'; SELECT pg_reload_conf();"
# With the prefix above: the client's address, and that it was authorized.
_CLIENT = re.compile(r"^(\S+) \S+\s+connection authorized:", re.MULTILINE)
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE client_addr IS NOT NULL AND state <> 'idle' AND xact_start < now() - interval '1 second'
"""
_WHO = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL"
# Lines of pg_dump that may differ in each dump.
_NOISE = re.compile(rb"^(?:--.*|\\(?:un)?restrict .*|)$\n?", re.MULTILINE)


#: The database in a trial into which a dump is restored.
RESTORED = "restored"


class ScratchDatabase:
    """The database of one trial."""

    def __init__(self, context: Context, project: ScratchProject) -> None:
        self._context = context
        self._settings = database_of(context)
        self._container = project.database
        self._admin = ""
        self._made_by_image = False
        self._schema = b""
        self._revisions: list[str] = []

    def copy(self, live: LiveSchema, *parts: str) -> list[str]:
        """Copy production's roles, schema and revisions into the started database, then run `parts`.

        Returns psql's output for each part. Raises Inconclusive when the copy is incomplete.
        """
        self._wait()
        there = f"SELECT count(*) FROM pg_database WHERE datname = {literal(self._settings.name)};\n"  # noqa: S608 - quoted
        told = self._as_administrator(there.encode() + _ANYBODY.encode() + live.roles + live.dump)
        self._made_by_image = told.startswith("1")
        return self._completed(live, parts)

    def copy_again(self, live: LiveSchema, *parts: str) -> list[str]:
        """Make the copy again in the same server, as `copy` does. Existing roles stay as they are.

        Raises Inconclusive also when the database cannot be dropped.
        """
        name = quoted(self._settings.name)
        anew = f"\\set ON_ERROR_STOP on\nDROP DATABASE {name};\n"
        anew += f"CREATE DATABASE {name};\n" if self._made_by_image else ""
        script = f"{anew}\\set ON_ERROR_STOP off\n".encode() + live.roles + live.dump
        _answered(self._ask(script, database="postgres", deadline=self._to_copy))
        return self._completed(live, parts)

    @property
    def _to_copy(self) -> float:
        """The seconds for creating the database, the roles and the schema."""
        return 3 * self._context.settings.deadlines.command

    def _completed(self, live: LiveSchema, parts: Sequence[str]) -> list[str]:
        """Insert the revisions, which a schema dump does not contain, and check that the copy is complete."""
        table, values = version_table(self._settings), ", ".join(f"('{revision}')" for revision in live.revisions)
        entering = f"INSERT INTO {table} (version_num) VALUES {values};"  # noqa: S608 - both are checked in database.py
        _, columns, at, *told = self.told(entering, asking(ALL_COLUMNS), self.at, *parts)
        if lacking := live.columns - {tuple(row) for row in rows_in(columns)}:
            few = ", ".join(sorted(map(",".join, lacking))[:5])
            number = counted(len(lacking), "column")
            raise Inconclusive(f"the copy of the schema lacks {number}: {few}", "try the target by hand")
        self._revisions = sorted(at.split())
        if self._revisions != sorted(live.revisions):
            raise Inconclusive(
                f"the copy of the schema is at {self._revisions}, unlike production", "try the target by hand"
            )
        return told

    def take_baseline(self) -> None:
        """Compare later changes with the schema as it is now."""
        self._schema = self._read_schema()

    def now_at(self, *revisions: str) -> None:
        """Compare later changes with these revisions. Raises Inconclusive when the copy is not at them now."""
        self._revisions = sorted(revisions)
        if moved := self._moved(self.told(self.at)[0]):
            raise Inconclusive(f"the migration {moved}", "try it by hand")

    def wait(self) -> None:
        """Wait until the server answers. Raises Inconclusive when it does not answer in time."""
        self._wait()
        self._as_administrator()

    def restore(self, dump: str, deadline: float) -> None:
        """Restore a dump on the host into the separate database `RESTORED`, with production's roles.

        Raises Inconclusive with pg_restore's message when that fails.
        """
        self._psql(live_roles(self._context), database="postgres")
        self._psql(f"CREATE DATABASE {RESTORED} TEMPLATE template0", database="postgres")
        restoring = ("pg_restore", "--exit-on-error", "--username", self._admin, "--dbname", RESTORED)
        inside = ("docker", "exec", "--interactive", self._container, *restoring)
        feeding = Command(("sh", "-c", 'exec "$@" < "$0"', dump, *inside), deadline, secret_output=True)
        done = self._context.host.run(feeding)
        if done.exit_code != 0:
            raise Inconclusive(f"it cannot be restored: {done.last_line}", "choose another dump")

    def rows(self, query: str, deadline: float) -> list[list[str]]:
        """Return the rows of `query` in the restored database. Raises Inconclusive when it fails."""
        return rows_in(_answered(self._ask(asking(query), RESTORED, deadline=deadline)).text)

    def free_bytes(self) -> int:
        """Return the free bytes on the disk of the server's data directory."""
        directory = self._psql("SHOW data_directory", database="postgres").text.strip()
        words = _answered(self._inside("df", "-P", "-k", directory)).text.splitlines()[-1].split()
        return int(words[3]) * 1024

    def told(self, *parts: str) -> list[str]:
        """Run `parts` in psql, one after the other, and return its output for each.

        After a failed statement psql continues, except in `asking` and `carrying_out`: there it stops, and Inconclusive
        is raised with PostgreSQL's message.
        """
        marker = secrets.token_hex(16)
        script = "".join(f"{part}\n\\echo {marker}\n" for part in parts)
        # Each part may take as long as a command.
        deadline = len(parts) * self._context.settings.deadlines.command
        found = _answered(self._ask(script, deadline=deadline)).text.split(f"{marker}\n")
        if len(found) != len(parts) + 1:
            raise Inconclusive("the copy of the schema did not answer completely", "check the database's image")
        return found[:-1]

    @property
    def at(self) -> str:
        """A part that prints the copy's revisions, one per line."""
        return f"SELECT version_num FROM {version_table(self._settings)};"  # noqa: S608 - quoted

    @property
    def search_path(self) -> str:
        """A part that prints the search path of a new connection by the settings' user. It must be the last part."""
        return f"\\set ON_ERROR_STOP on\n\\connect - {_meta(self._settings.user)}\nSHOW search_path;"

    def changed_after(self, statements: Sequence[str]) -> str:
        """Run statements, and return in words how they changed the copy; empty if they left it as it was."""
        at = self.told(carrying_out(statements), self.at)[1]
        return self._moved(at) or self._altered()

    def log(self) -> str:
        """Return all that the server has logged."""
        written: list[bytes] = []
        deadline = self._context.settings.deadlines.command
        self._context.host.engine.logs(self._container, written.append, deadline, tty=False, most=MOST)
        return b"".join(written).decode("utf-8", "replace")

    def log_until(self, mark: str) -> str | None:
        """Return the server's log as soon as it contains `mark`; None if that does not appear in time."""
        until = time.monotonic() + _LOGGED_WITHIN
        while mark not in (found := self.log()):
            if time.monotonic() > until:
                return None
            time.sleep(_PAUSE)
        return found

    def moved(self) -> str:
        """Return in words how the copy's revision has changed; empty if it has not."""
        return self._moved(self._psql(self.at).text)

    def changed(self) -> str:
        """Return in words how the copy's revision or schema has changed; empty if neither has."""
        return self.moved() or self._altered()

    def clients(self) -> set[str]:
        """Return the addresses from which clients have connected."""
        return set(_CLIENT.findall(self.log())) | set(self._psql(_WHO, database="postgres").text.split())

    def busy(self) -> bool:
        """Return whether a client has been in a transaction for longer than a second: a migration may be running."""
        return self._psql(_BUSY, database="postgres").text.strip() != "0"

    def _moved(self, told: str) -> str:
        at = sorted(told.split())
        before, after = ", ".join(self._revisions), ", ".join(at) or "none"
        return "" if at == self._revisions else f"moved the copy from revision {before} to {after}"

    def _altered(self) -> str:
        return "" if self._read_schema() == self._schema else "changed the copy of the schema"

    def _wait(self) -> None:
        """Wait for the server on TCP. While an image creates its database, a temporary server answers on the socket."""
        healthy = self._context.settings.deadlines.healthy
        until = time.monotonic() + healthy
        try:
            ready = self._inside("sh", "-c", _UNTIL_READY, deadline=healthy)
        except CommandTimedOut as error:
            raise Inconclusive(
                f"the copy of the database did not start: {error.seen}", "check the database's image"
            ) from None
        if ready.exit_code in _NO_SHELL:
            ready = self._polled(until)
        if ready.exit_code != 0:
            raise Inconclusive(
                f"the copy of the database did not start: {ready.last_line}", "check the database's image"
            )

    def _polled(self, until: float) -> Completed:
        """Poll until the server answers or the time is over, and return the last result. For images without a shell."""
        while True:
            asked = self._inside("pg_isready", "--quiet", "--host", "127.0.0.1")
            if asked.exit_code == 0 or time.monotonic() > until:
                return asked
            time.sleep(_PAUSE)

    def _as_administrator(self, script: bytes = b"") -> str:
        """Run a script as the first candidate that is a superuser, and return its output."""
        marker = secrets.token_hex(16)
        proof = "SELECT 1 / rolsuper::int FROM pg_roles WHERE rolname = current_user;"
        first = f"\\set ON_ERROR_STOP on\n{proof}\n\\set ON_ERROR_STOP off\n\\echo {marker}\n"
        for user in dict.fromkeys(filter(None, (self._named_administrator(), self._settings.user, "postgres"))):
            self._admin = user
            done = self._ask(first.encode() + script, database="postgres", deadline=self._to_copy)
            proved, _, told = done.text.partition(f"{marker}\n")
            if proved.strip() == "1" and marker in done.text:
                _answered(done)
                return told
        raise Inconclusive("the copy of the database has no known superuser", "try the target by hand")

    def _named_administrator(self) -> str:
        """Return the superuser in the container's POSTGRES_USER, which most images use; empty if there is none."""
        there = self._context.host.engine.container(self._container, self._context.settings.deadlines.command)
        variables = ((there or {}).get("Config") or {}).get("Env") or ()
        return next((each.partition("=")[2] for each in variables if each.startswith("POSTGRES_USER=")), "")

    def _read_schema(self) -> bytes:
        dump = self._inside("pg_dump", "--schema-only", "--username", self._admin, "--dbname", self._settings.name)
        return _NOISE.sub(b"", _answered(dump).stdout)

    def _psql(self, sql: str | bytes, database: str | None = None) -> Completed:
        """Run statements, and continue after a failed one. Raises Inconclusive when the database does not answer."""
        return _answered(self._ask(sql, database))

    def _ask(self, sql: str | bytes, database: str | None = None, *, deadline: float | None = None) -> Completed:
        argv = (
            "docker", "exec", "--interactive", self._container, "psql", "--no-psqlrc", "--quiet", "--csv",
            "--tuples-only", "--username", self._admin, "--dbname", database or self._settings.name,
        )  # fmt: skip
        command = self._command(*argv, stdin=sql.encode() if isinstance(sql, str) else sql)
        return self._context.host.run(replace(command, deadline=deadline or command.deadline))

    def _inside(self, *argv: str, deadline: float | None = None) -> Completed:
        command = self._command("docker", "exec", self._container, *argv)
        return self._context.host.run(replace(command, deadline=deadline or command.deadline))

    def _command(self, *argv: str, stdin: bytes | None = None) -> Command:
        deadline = self._context.settings.deadlines.command
        return Command(argv, deadline, stdin=stdin, secret_output=True, most_output=MOST)


def asking(query: str) -> str:
    """Return a part that runs a query in a transaction and rolls it back. `rows_in` reads its output."""
    return f"\\set ON_ERROR_STOP on\nBEGIN;\n{query};\nROLLBACK;\n\\set ON_ERROR_STOP off"


def trying(query: str) -> str:
    """Return a part that runs a query that PostgreSQL may refuse. `rows_tried` reads its output."""
    return f"BEGIN;\n{query};\n\\echo :SQLSTATE\nROLLBACK;"


def carrying_out(statements: Sequence[str]) -> str:
    """Return a part that runs statements in one transaction."""
    sql = "".join(f"{each};\n" for each in statements)
    return f"\\set ON_ERROR_STOP on\nBEGIN;\n{sql}COMMIT;\n\\set ON_ERROR_STOP off"


def rows_in(told: str) -> list[list[str]]:
    """Return the rows in psql's output."""
    return list(csv.reader(io.StringIO(told)))


def rows_tried(told: str) -> list[list[str]] | None:
    """Return the rows in psql's output of `trying`; None if PostgreSQL refused the query."""
    rows, _, state = told.removesuffix("\n").rpartition("\n")
    return rows_in(rows) if state == _WELL else None


def _meta(name: str) -> str:
    """Return a name as an argument of a psql meta-command."""
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def _answered(completed: Completed) -> Completed:
    if completed.exit_code == _STOPPED_BY_ERROR:
        raise Inconclusive(f"a copy of the schema refused it: {completed.last_line}", "try it by hand")
    if completed.exit_code != 0:
        raise Inconclusive(f"the copy of the database does not answer: {completed.last_line}", "try the target by hand")
    return completed
