"""A dump on the production host, read without restoring it: its integrity, its contents and its requirements."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.migrations.server import Server
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Deadlines

#: A table whose data a dump holds, in the output of `pg_restore --list`. Each of its three names may contain spaces.
DATA_OF = re.compile(r"^\d+; \d+ \d+ TABLE DATA (.+)$", re.MULTILINE)
#: The suffix of a dump's seal: a file next to it with its SHA-256, in the format of `sha256sum --check`.
SEAL = ".sha256"
_MOST_SCHEMA = 64 << 20  # bytes of SQL
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
#: Keywords that can appear instead of a role's name.
_NO_ROLES = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"}


@dataclass(frozen=True)
class Contents:
    """The contents of a dump, and what it needs to be restored.

    `version` is the server's major version. `made` is the start time as pg_dump prints it. `tables` are those with
    data, each as `schema table owner`. `revisions` are Alembic's, empty if the dump has no version table.
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
    """A dump in pg_dump's custom format, read with the server's own programs."""

    def __init__(self, server: Server, path: str, settings: DatabaseSettings, deadlines: Deadlines) -> None:
        self._server = server
        self._settings = settings
        self._deadline = deadlines.dump
        self.path = path

    def broken(self) -> str:
        """Return why the dump does not match its seal, or an empty string if it does."""
        host, production = self._server.production.host, self._server.production
        there = host.run(production.command("test", "-f", self.path))
        if there.exit_code != 0:
            return f"there is no file {self.path} on the production host"
        sealed = host.run(production.command("test", "-f", f"{self.path}{SEAL}"))
        if sealed.exit_code != 0:
            return f"there is no {self.path}{SEAL} to verify it with"
        wanted, found = self.sealed(), self.sha256()
        if wanted != found:
            return f"its SHA-256 ({found}) does not match the one in {self.path}{SEAL} ({wanted})"
        return ""

    def sealed(self) -> str:
        """Return the SHA-256 in the seal. Raises CommandFailed when the seal cannot be read."""
        production = self._server.production
        held = production.host.check(production.command("cat", "--", f"{self.path}{SEAL}"))
        return held.text.partition(" ")[0].strip()

    def size(self) -> int:
        """Return the size in bytes. Raises CommandFailed when the file is missing."""
        production = self._server.production
        return int(production.host.check(production.command("stat", "--format=%s", "--", self.path)).text)

    def sha256(self) -> str:
        """Return the file's SHA-256. Raises CommandFailed when the file cannot be read."""
        production = self._server.production
        command = production.command("sha256sum", "--", self.path, deadline=self._deadline)
        return production.host.check(command).text[:64]

    def contents(self) -> Contents:
        """Read the dump's contents. Raises Inconclusive when that fails, with the last line that pg_restore printed."""
        listed = self._read("--list").text
        version, source = _VERSION.search(listed), _FROM.search(listed)
        if version is None or source is None:
            raise Inconclusive(
                f"{self.path} does not name its database and PostgreSQL version", "choose a dump that pg_dump wrote"
            )
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
        """Return why the data cannot be read to the end, or an empty string. Reads all of it and restores nothing."""
        done = self._run("--data-only", "--file", "/dev/null")
        return "" if done.exit_code == 0 else done.last_line

    def restoring(self, database: str, role: str) -> Command:
        """Return the command that restores the dump into `database`, as `role`. It stops at the first error."""
        how = ("--exit-on-error",)
        command = self._server.command("pg_restore", *how, user=role, deadline=self._deadline, database=database)
        return self._server.with_stdin(self.path, command)

    def _revisions(self) -> tuple[str, ...]:
        schema = ("--schema", self._settings.version_schema) if self._settings.version_schema else ()
        table = ("--table", self._settings.version_table)
        copied = _COPIED.search(self._read("--data-only", *schema, *table, "--file", "-").text)
        return tuple(sorted(copied[1].split())) if copied else ()

    def _read(self, *options: str) -> Completed:
        done = self._run(*options)
        if done.exit_code != 0:
            raise Inconclusive(f"{self.path} cannot be read back: {done.last_line}", "choose another dump")
        return done

    def _run(self, *options: str) -> Completed:
        server = self._server
        if server.elsewhere:
            command = server.reading(self.path, "pg_restore", *options, deadline=self._deadline)
        else:
            inside = ("exec", "-T", self._settings.service, "pg_restore", *options)
            command = server.with_stdin(self.path, server.production.compose(*inside, deadline=self._deadline))
        return server.production.host.run(replace(command, secret_output=True, most_output=_MOST_SCHEMA))


def lacking(needed: Iterable[str], there: Iterable[str]) -> list[str]:
    """Return the `needed` names that are missing, sorted."""
    return sorted(set(needed) - set(there))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
