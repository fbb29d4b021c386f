"""The copy of production's schema in the database of a trial, and whether it has changed since it was made."""

import csv
import io
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from runbook.chapters.context import Context
from runbook.chapters.startup.scratch_project import ScratchProject, database_of
from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.migrations.database import ALL_COLUMNS, version_table

_MOST = 64 << 20  # bytes of a schema
_PAUSE = 0.2  # seconds
_ANYBODY: Final = """
DO $$ BEGIN EXECUTE format('COPY (SELECT unnest(ARRAY[%L, %L])) TO %L',
  'local all all trust', 'host all all all trust', current_setting('hba_file')); END $$;
ALTER SYSTEM SET log_connections = on;
ALTER SYSTEM SET log_line_prefix = '%h ';
SELECT pg_reload_conf();
"""
# With the prefix above: the client's address, and that it has proved who it is.
_CLIENT = re.compile(r"^(\S+) \S+\s+connection authorized:", re.MULTILINE)
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE client_addr IS NOT NULL AND state <> 'idle' AND xact_start < now() - interval '1 second'
"""
_WHO = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL"
# What pg_dump writes anew into each dump.
_NOISE = re.compile(rb"^(?:--.*|\\(?:un)?restrict .*|)$\n?", re.MULTILINE)
_LOG_NONE: Final = "ALTER SYSTEM SET log_statement = 'none'"


#: What the server's log says where it was told to log no more statements; a client's own have a tab, or an address.
LOGS_NONE: Final = f"\n[local] LOG:  statement: {_LOG_NONE};"
#: The database of a trial into which a dump is restored.
RESTORED = "restored"


class ScratchDatabase:
    """The database of one trial."""

    def __init__(self, context: Context, project: ScratchProject) -> None:
        self._context = context
        self._settings = database_of(context)
        self._container = project.database
        self._admin = ""
        self._schema = b""
        self._revisions: list[str] = []

    def copy(self) -> None:
        """Bring production's roles, schema and revisions into the database that was started.

        Raises Inconclusive when the copy lacks something, and CommandFailed when production's cannot be read.
        """
        self.wait()
        self._psql(_ANYBODY, database="postgres")
        # Roles that exist already are refused, which does no harm; the columns are compared below.
        self._psql(self._production("pg_dumpall", "--roles-only", "--no-role-passwords"), database="postgres")
        dump = self._production("pg_dump", "--schema-only", "--create", "--lock-wait-timeout", "10s")
        self._psql(dump, database="postgres")
        table, revisions = version_table(self._settings), self._context.database.revisions()
        values = ", ".join(f"('{revision}')" for revision in revisions)
        self._psql(f"INSERT INTO {table} (version_num) VALUES {values}")  # noqa: S608 - both are checked in database.py
        columns = {",".join(row) for row in self._context.database.ask(ALL_COLUMNS)}
        copied = set(self._psql(ALL_COLUMNS).text.splitlines())
        if lacking := columns - copied:
            few = ", ".join(sorted(lacking)[:5])
            raise Inconclusive(f"the copy of the schema lacks {len(lacking)} columns: {few}", "try the target by hand")
        self.take_as_it_is()
        if self._revisions != sorted(revisions):
            raise Inconclusive(f"the copy of the schema is at {self._revisions}", "try the target by hand")

    def take_as_it_is(self) -> None:
        """Count as changed only what differs from now on."""
        self._revisions, self._schema = self._read_revisions(), self._read_schema()

    def wait(self) -> None:
        """Wait until the server answers. Raises Inconclusive when it does not in time."""
        self._wait()
        self._admin = self._administrator()

    def restore(self, dump: str, deadline: float) -> None:
        """Restore a dump of the host into a database of its own, `RESTORED`, with production's roles.

        Raises Inconclusive with pg_restore's own words when that does not work.
        """
        self._psql(self._production("pg_dumpall", "--roles-only", "--no-role-passwords"), database="postgres")
        self._psql(f"CREATE DATABASE {RESTORED} TEMPLATE template0", database="postgres")
        restoring = ("pg_restore", "--exit-on-error", "--username", self._admin, "--dbname", RESTORED)
        inside = ("docker", "exec", "--interactive", self._container, *restoring)
        feeding = Command(("sh", "-c", 'exec "$@" < "$0"', dump, *inside), deadline, secret_output=True)
        done = self._context.host.run(feeding)
        if done.exit_code != 0:
            raise Inconclusive(f"it cannot be restored: {done.last_line}", "name another dump")

    def rows(self, query: str, deadline: float) -> list[list[str]]:
        """The rows that `query` gives in the database that was restored. Raises Inconclusive when it fails."""
        asked = self._ask(f"\\set ON_ERROR_STOP on\nBEGIN;\n{query};\nROLLBACK;", RESTORED, deadline=deadline)
        return list(csv.reader(io.StringIO(_answered(asked).text)))

    def free_bytes(self) -> int:
        """The bytes that are free where the server keeps its databases."""
        directory = self._psql("SHOW data_directory", database="postgres").text.strip()
        words = _answered(self._inside("df", "-P", "-k", directory)).text.splitlines()[-1].split()
        return int(words[3]) * 1024

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        """The rows that `query` gives, as text. Raises Inconclusive when it fails, or not within `deadline` seconds."""
        asked = self._ask(f"\\set ON_ERROR_STOP on\nBEGIN;\n{query};\nROLLBACK;", deadline=deadline)
        return list(csv.reader(io.StringIO(_answered(asked).text)))

    def psql(self, script: str) -> str:
        """What psql prints for a script, which goes on after a statement that failed."""
        return self._psql(script).text

    def carry_out(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction. Raises Inconclusive, with what PostgreSQL says, when one fails."""
        sql = "".join(f"{each};\n" for each in statements)
        done = self._ask(f"\\set ON_ERROR_STOP on\nBEGIN;\n{sql}COMMIT;")
        if done.exit_code != 0:
            raise Inconclusive(f"a copy of the schema refuses it: {done.last_line}", "try it by hand")

    def revisions(self) -> list[str]:
        """The revisions that the copy is at, sorted."""
        return self._read_revisions()

    def log_statements(self, *, on: bool = True) -> None:
        """Let the server log every statement from now on; or none any more, which leaves `LOGS_NONE` in the log."""
        told = "ALTER SYSTEM SET log_statement = 'all'" if on else _LOG_NONE
        self._psql(f"{told}; SELECT pg_reload_conf();", database="postgres")

    def search_path(self) -> str:
        """The search path with which the user of the settings connects to the database."""
        asked = _answered(self._ask("SHOW search_path", user=self._settings.user))
        return next(iter(next(csv.reader(io.StringIO(asked.text)), [])), "")

    def log(self) -> str:
        """All that the server has logged."""
        written: list[bytes] = []
        deadline = self._context.settings.deadlines.command
        self._context.host.engine.logs(self._container, written.append, deadline, tty=False, most=_MOST)
        return b"".join(written).decode("utf-8", "replace")

    def moved(self) -> str:
        """How the copy's revision was changed, in words; empty where it was not."""
        now = self._read_revisions()
        before, after = ", ".join(self._revisions), ", ".join(now) or "none"
        return "" if now == self._revisions else f"moved the copy from revision {before} to {after}"

    def changed(self) -> str:
        """How the copy's revision or schema was changed, in words; empty where it was not."""
        return self.moved() or ("" if self._read_schema() == self._schema else "changed the copy of the schema")

    def clients(self) -> set[str]:
        """The addresses from which clients have connected."""
        return set(_CLIENT.findall(self.log())) | set(self._psql(_WHO, database="postgres").text.split())

    def busy(self) -> bool:
        """Tell whether a client is in a transaction for longer than a second: a migration may be running."""
        return self._psql(_BUSY, database="postgres").text.strip() != "0"

    def _wait(self) -> None:
        """Wait for the server on TCP: while an image creates its database, a temporary one answers on the socket."""
        until = time.monotonic() + self._context.settings.deadlines.healthy
        while True:
            ready = self._inside("pg_isready", "--quiet", "--host", "127.0.0.1")
            if ready.exit_code == 0:
                return
            if time.monotonic() > until:
                raise Inconclusive(f"the copy of the database did not start: {ready.last_line}", "look at its image")
            time.sleep(_PAUSE)

    def _administrator(self) -> str:
        named = self._inside("printenv", "POSTGRES_USER").text.strip()
        for user in dict.fromkeys((named or "postgres", self._settings.user, "postgres")):
            self._admin = user
            asked = self._ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", database="postgres")
            if asked.exit_code == 0 and asked.text.strip() == "t":
                return user
        raise Inconclusive("the copy of the database has no superuser that is known", "try the target by hand")

    def _read_revisions(self) -> list[str]:
        return sorted(self._psql(f"SELECT version_num FROM {version_table(self._settings)}").text.split())  # noqa: S608 - quoted

    def _read_schema(self) -> bytes:
        dump = self._inside("pg_dump", "--schema-only", "--username", self._admin, "--dbname", self._settings.name)
        return _NOISE.sub(b"", _answered(dump).stdout)

    def _production(self, tool: str, *options: str) -> bytes:
        database = self._settings
        command = self._context.production.compose(
            "exec", "-T", database.service, tool, "--username", database.user,
            "--database" if tool == "pg_dumpall" else "--dbname", database.name, *options,
        )  # fmt: skip
        quiet = Command(command.argv, command.deadline, command.directory, secret_output=True, most_output=_MOST)
        return self._context.host.check(quiet).stdout

    def _psql(self, sql: str | bytes, database: str | None = None) -> Completed:
        """Run statements, going on after one that failed. Raises Inconclusive when the database does not answer."""
        return _answered(self._ask(sql, database))

    def _ask(
        self, sql: str | bytes, database: str | None = None, *, user: str | None = None, deadline: float | None = None
    ) -> Completed:
        argv = (
            "docker", "exec", "--interactive", self._container, "psql", "--no-psqlrc", "--quiet", "--csv",
            "--tuples-only", "--username", user or self._admin, "--dbname", database or self._settings.name,
        )  # fmt: skip
        command = self._command(*argv, stdin=sql.encode() if isinstance(sql, str) else sql)
        return self._context.host.run(replace(command, deadline=deadline or command.deadline))

    def _inside(self, *argv: str) -> Completed:
        return self._context.host.run(self._command("docker", "exec", self._container, *argv))

    def _command(self, *argv: str, stdin: bytes | None = None) -> Command:
        deadline = self._context.settings.deadlines.command
        return Command(argv, deadline, stdin=stdin, secret_output=True, most_output=_MOST)


def _answered(completed: Completed) -> Completed:
    if completed.exit_code != 0:
        raise Inconclusive(f"the copy of the database does not answer: {completed.last_line}", "try the target by hand")
    return completed
