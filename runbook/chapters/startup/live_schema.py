"""Production's roles, schema and revisions, for the copy in a trial's database. No rows, no passwords."""

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from runbook.chapters.context import Context
from runbook.chapters.startup.scratch_project import database_of
from runbook.errors import CommandFailed
from runbook.migrations.database import ALL_COLUMNS
from runbook.settings.application import ServiceCommand

MOST = 64 << 20  # bytes of a dump or other output
# Newer versions of PostgreSQL's programs write a random token into each dump.
_RESTRICTED = re.compile(rb"^\\restrict (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class LiveSchema:
    """Production's schema: SQL that creates the roles, SQL that creates the database, its revisions and columns."""

    roles: bytes
    dump: bytes
    revisions: tuple[str, ...]
    columns: frozenset[tuple[str, ...]]

    def question(self) -> list[Any]:
        """Return a short form that is equal whenever the schema is equal."""
        return [*map(_fingerprint, (self.roles, self.dump)), list(self.revisions), sorted(map(list, self.columns))]


def live_schema(context: Context) -> LiveSchema:
    """Read production's schema. Raises a RunbookError, such as CommandFailed, when it cannot be read."""
    options = ("--schema-only", "--create", "--lock-wait-timeout", "10s")
    roles, dump, revisions, columns = context.incident.ahead.at_once(
        partial(live_roles, context),
        partial(_dumped, context, "pg_dump", "--dbname", *options),
        context.database.revisions,
        partial(context.database.ask, ALL_COLUMNS),
    )
    return LiveSchema(roles, dump, revisions, frozenset(map(tuple, columns)))


def live_roles(context: Context) -> bytes:
    """Return SQL that creates production's roles, without passwords. Raises CommandFailed when they cannot be read."""
    return _dumped(context, "pg_dumpall", "--database", "--roles-only", "--no-role-passwords")


def _dumped(context: Context, tool: str, database_option: str, *options: str) -> bytes:
    database = database_of(context)
    asking = (tool, "--username", database.user, database_option, database.name, *options)
    call = ServiceCommand(service=database.service, command=asking)
    done = context.production.ask(call, secret_output=True, most_output=MOST)
    if done.exit_code != 0:
        raise CommandFailed(
            f"`{done.command}` ended with exit code {done.exit_code}: {done.last_line}",
            f"look at the service {database.service}, and at database.user and database.name in the settings",
        )
    return done.stdout


def _fingerprint(dump: bytes) -> str:
    found = _RESTRICTED.search(dump)
    return hashlib.sha256(dump.replace(found[1], b"") if found else dump).hexdigest()
