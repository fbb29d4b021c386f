"""A dump on the production host, read without restoring it: whether it is whole, what it is of, and what it needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.migrations.server import Server
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Deadlines

#: A table whose data a dump has, in what `pg_restore --list` prints. Each of the three names in it may have spaces.
DATA_OF = re.compile(r"^\d+; \d+ \d+ TABLE DATA (.+)$", re.MULTILINE)
#: Beside a dump: its SHA-256, in the form that `sha256sum --check` reads.
SEAL = ".sha256"
_MOST_SCHEMA = 64 << 20  # bytes of a schema in SQL
_FROM = re.compile(r"^;\s+dbname: (.*)$", re.MULTILINE)
_VERSION = re.compile(r"^;\s+Dumped from database version: (\d+)", re.MULTILINE)
_MADE = re.compile(r"^; Archive created at (.+)$", re.MULTILINE)
_LARGE_OBJECTS = re.compile(r"^\d+; \d+ \d+ BLOB", re.MULTILINE)
_NAME = r'("(?:[^"]|"")+"|[^\s;,"]+)'
_ROLES = (
    re.compile(rf"^ALTER .+ OWNER TO {_NAME};$", re.MULTILINE),
    re.compile(rf"^GRANT .+ TO {_NAME}(?: WITH GRANT OPTION)?;$", re.MULTILINE),
    re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE {_NAME} ", re.MULTILINE),
)
_EXTENSION = re.compile(rf"^CREATE EXTENSION (?:IF NOT EXISTS )?{_NAME}", re.MULTILINE)
_COPIED = re.compile(r"^COPY .+ FROM stdin;\n(.*?)^\\\.$", re.MULTILINE | re.DOTALL)
#: Names that stand in the place of a role's.
_NO_ROLES = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"}


@dataclass(frozen=True)
class Contents:
    """What a dump says of itself, and what it needs to be restored.

    `version` is the server's major version, `made` when it was begun in pg_dump's words. `tables` are those with data,
    each as `schema table owner`; `revisions` are Alembic's, none where it has no such table.
    """

    database: str
    version: int
    made: str
    tables: tuple[str, ...]
    revisions: tuple[str, ...]
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    large_objects: bool


class DumpFile:
    """One dump in pg_dump's custom format, read with the server's own programs."""

    def __init__(self, server: Server, path: str, settings: DatabaseSettings, deadlines: Deadlines) -> None:
        self._server = server
        self._settings = settings
        self._deadline = deadlines.dump
        self.path = path

    def broken(self) -> str:
        """Why it is not the file that its seal beside it is of; empty if it is."""
        host, production = self._server.production.host, self._server.production
        there = host.run(production.command("test", "-f", self.path))
        if there.exit_code != 0:
            return f"there is no file {self.path} on the production host"
        sealed = host.run(production.command("test", "-f", f"{self.path}{SEAL}"))
        if sealed.exit_code != 0:
            return f"there is no {self.path}{SEAL}, which would say whether it is whole"
        wanted, found = self.sealed(), self.sha256()
        if wanted != found:
            return f"it has another SHA-256 ({found}) than {self.path}{SEAL} holds ({wanted})"
        return ""

    def sealed(self) -> str:
        """The SHA-256 that its seal holds. Raises CommandFailed when that cannot be read."""
        production = self._server.production
        held = production.host.check(production.command("cat", "--", f"{self.path}{SEAL}"))
        return held.text.partition(" ")[0].strip()

    def size(self) -> int:
        """Its size in bytes. Raises CommandFailed when it is not there."""
        production = self._server.production
        return int(production.host.check(production.command("stat", "--format=%s", "--", self.path)).text)

    def sha256(self) -> str:
        """Its SHA-256. Raises CommandFailed when it cannot be read."""
        production = self._server.production
        command = production.command("sha256sum", "--", self.path, deadline=self._deadline)
        return production.host.check(command).text[:64]

    def contents(self) -> Contents:
        """Read it. Raises Inconclusive with pg_restore's own words when it cannot be read."""
        listed = self._read("--list").text
        version, source = _VERSION.search(listed), _FROM.search(listed)
        if version is None or source is None:
            raise Inconclusive(f"{self.path} does not say which database it is of", "name a dump of pg_dump's")
        schema = self._read("--schema-only", "--file", "-").text
        found = {_unquoted(name) for pattern in _ROLES for name in pattern.findall(schema)} - _NO_ROLES
        return Contents(
            database=source[1].strip(),
            version=int(version[1]),
            made=made[1].strip() if (made := _MADE.search(listed)) else "",
            tables=tuple(sorted(set(DATA_OF.findall(listed)))),
            revisions=self._revisions(),
            roles=tuple(sorted(found)),
            extensions=tuple(sorted({_unquoted(name) for name in _EXTENSION.findall(schema)})),
            large_objects=_LARGE_OBJECTS.search(listed) is not None,
        )

    def unreadable(self) -> str:
        """Why its data cannot be read to the end; empty if it can. All of it is read, and nothing is restored."""
        done = self._run("--data-only", "--file", "/dev/null")
        return "" if done.exit_code == 0 else done.last_line

    def restoring(self, database: str, role: str) -> Command:
        """The command that restores it into another database of its server, as `role`; it stops at the first error."""
        how = ("--exit-on-error",)
        command = self._server.command("pg_restore", *how, user=role, deadline=self._deadline, database=database)
        return self._server.fed(self.path, command)

    def _revisions(self) -> tuple[str, ...]:
        schema = ("--schema", self._settings.version_schema) if self._settings.version_schema else ()
        table = ("--table", self._settings.version_table)
        copied = _COPIED.search(self._read("--data-only", *schema, *table, "--file", "-").text)
        return tuple(sorted(copied[1].split())) if copied else ()

    def _read(self, *options: str) -> Completed:
        done = self._run(*options)
        if done.exit_code != 0:
            raise Inconclusive(f"{self.path} cannot be read back: {done.last_line}", "name another dump")
        return done

    def _run(self, *options: str) -> Completed:
        server = self._server
        if server.elsewhere:
            command = server.reading(self.path, "pg_restore", *options, deadline=self._deadline)
        else:
            inside = ("exec", "-T", self._settings.service, "pg_restore", *options)
            command = server.fed(self.path, server.production.compose(*inside, deadline=self._deadline))
        return server.production.host.run(replace(command, secret_output=True, most_output=_MOST_SCHEMA))


def lacking(needed: Iterable[str], there: Iterable[str]) -> list[str]:
    """What of the names that are needed is not there, sorted."""
    return sorted(set(needed) - set(there))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
