"""The copy of production's schema in the database of a trial, and whether it has changed since it was made."""

import re
import time
from typing import Final

from runbook.chapters.context import Context
from runbook.chapters.startup.scratch_project import ScratchProject
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


class ScratchDatabase:
    """The database of one trial."""

    def __init__(self, context: Context, project: ScratchProject) -> None:
        self._context = context
        self._settings = context.settings.database
        self._container = project.database
        self._admin = ""
        self._schema = b""
        self._revisions: list[str] = []

    def copy(self) -> None:
        """Bring production's roles, schema and revisions into the database that was started.

        Raises Inconclusive when the copy lacks something, and CommandFailed when production's cannot be read.
        """
        self._wait()
        self._admin = self._administrator()
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
        self._revisions, self._schema = self._read_revisions(), self._read_schema()
        if self._revisions != sorted(revisions):
            raise Inconclusive(f"the copy of the schema is at {self._revisions}", "try the target by hand")

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
        logs = self._context.host.run(self._command("docker", "logs", self._container))
        said = (logs.stdout + logs.stderr).decode("utf-8", "replace")
        return set(_CLIENT.findall(said)) | set(self._psql(_WHO, database="postgres").text.split())

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

    def _ask(self, sql: str | bytes, database: str | None = None) -> Completed:
        argv = (
            "docker", "exec", "--interactive", self._container, "psql", "--no-psqlrc", "--quiet", "--csv",
            "--tuples-only", "--username", self._admin, "--dbname", database or self._settings.name,
        )  # fmt: skip
        return self._context.host.run(self._command(*argv, stdin=sql.encode() if isinstance(sql, str) else sql))

    def _inside(self, *argv: str) -> Completed:
        return self._context.host.run(self._command("docker", "exec", self._container, *argv))

    def _command(self, *argv: str, stdin: bytes | None = None) -> Command:
        deadline = self._context.settings.deadlines.command
        return Command(argv, deadline, stdin=stdin, secret_output=True, most_output=_MOST)


def _answered(completed: Completed) -> Completed:
    if completed.exit_code != 0:
        raise Inconclusive(f"the copy of the database does not answer: {completed.last_line}", "try the target by hand")
    return completed
