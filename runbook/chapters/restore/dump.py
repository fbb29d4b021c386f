"""The dump to restore: which one, whether it is whole, and whether this server can take it."""

from pathlib import PurePosixPath

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.chapters.migrating.room import free_in_database, in_words
from runbook.chapters.restore.starting import starting
from runbook.errors import Inconclusive, SettingsError
from runbook.incident.schema_facts import RestoredFact
from runbook.migrations.restoring.databases import Databases
from runbook.migrations.restoring.dump_file import Contents, DumpFile, lacking
from runbook.production.docker_engine import FOLDER
from runbook.settings.absent import Absent
from runbook.text import counted

_ANOTHER = "choose another dump: `python -m runbook restore-point list` shows those on the host"


def path_of(directory: str, named: str) -> str:
    """Return the path on the host of a dump, given as a file name in `.runbook/` or as an absolute path.

    Raises SettingsError for anything else.

    >>> path_of("/srv/shop", "a.dump")
    '/srv/shop/.runbook/a.dump'
    """
    if named.startswith("/"):
        return named
    if "/" in named or not named:
        raise SettingsError(f"the dump {named!r} is neither a name in {FOLDER}/ nor an absolute path", _ANOTHER)
    return str(PurePosixPath(directory) / FOLDER / named)


def dump_of(context: Context, named: str | None = None) -> DumpFile:
    """Return the named dump, as a file. Raises SettingsError if none is named, and Inconclusive without a database."""
    settings = context.settings
    if settings.database is None:
        raise Inconclusive(Absent.DATABASE.told, "add [database] to the settings")
    path = path_of(str(settings.project.directory), named or context.options.dump or "")
    return DumpFile(context.database.server, path, settings.database, settings.deadlines)


def databases(context: Context) -> Databases:
    """Return the server's databases, with the names that this incident gives them. Raises as `dump_of` does."""
    return Databases(context.database, context.incident.name)


def whole(context: Context) -> Check:
    """Check that the dump has its recorded SHA-256, and that all of its data can be read."""
    dump = dump_of(context)

    def observe() -> Observation:
        broken = dump.broken() or dump.unreadable()
        told = f"{dump.path}: {broken}" if broken else f"{dump.path} has its recorded SHA-256 and reads back to its end"
        return Observation(not broken, told, final=True)

    return Check("a dump that is whole", observe, _ANOTHER, acceptable=False, vouchable=False)


def fits(context: Context) -> Check:
    """Check that the dump is of this database, from a server that is not newer than this one.

    Record what is restored, and the commands to type afterwards.
    """
    dump, there = dump_of(context), databases(context)

    def observe() -> Observation:
        found, version = dump.contents(), there.version()
        told = f"it is a dump of {found.database} on PostgreSQL {found.version}, begun {found.made}"
        at = f", at the revision {', '.join(found.revisions)}" if found.revisions else ", without Alembic's table"
        if found.database not in (there.live, there.aside) and not found.database.startswith(f"{there.live}_"):
            return Observation(ok=False, seen=f"{told}{at}; the live database is {there.live}", final=True)
        if found.version > version:
            return Observation(ok=False, seen=f"{told}; this server is older: PostgreSQL {version}", final=True)
        context.incident.record_fact("to restore", fact_of(context, found))
        newer = f"; this server is PostgreSQL {version}" if found.version < version else ""
        return Observation(ok=True, seen=f"{told}{at}{newer}")

    return Check(f"a dump of {there.live}, of this server's version or an older one", observe, _ANOTHER)


def fact_of(context: Context, contents: Contents) -> RestoredFact:
    """Return the record's fact on restoring the named dump, without row counts. Raises as `dump_of` does."""
    dump, there = dump_of(context), databases(context)
    return RestoredFact(
        path=dump.path,
        sha256=dump.sealed(),
        size=dump.size(),
        made=contents.made,
        database=there.live,
        kept_as=there.aside,
        revisions=contents.revisions,
        start=starting(context),
        remove=there.removing(),
    )


def needs_met(context: Context) -> Check:
    """Check that the server has the dump's roles and extensions, and a role that can create and rename databases."""
    dump, there = dump_of(context), databases(context)

    def observe() -> Observation:
        role, found = there.role, dump.contents()
        problems = [f"there is no role {name}" for name in lacking(found.roles, there.roles())]
        problems += [f"the extension {name} is not installed" for name in lacking(found.extensions, there.extensions())]
        problems += [f"{there.live} cannot be renamed: it has {what}" for what in there.in_the_way()]
        large = "; it has large objects, which are restored too" if found.large_objects else ""
        owned = f"{counted(len(found.roles), 'role')} and {counted(len(found.extensions), 'extension')}"
        return Observation(not problems, "; ".join(problems) or f"{owned} exist; {role} restores{large}", final=True)

    helps = "create the roles (CREATE ROLE …), install the extensions, or remove the obstacle, then type it again"
    return Check("a server that has what the dump needs", observe, helps, acceptable=False)


def room(context: Context) -> Check:
    """Check that the server's disk has room for a second database as large as the live one."""
    there = databases(context)

    def observe() -> Observation:
        needed, directory = there.size(), there.data_directory()
        free = free_in_database(context, directory)
        seen = f"{in_words(free)} free in {directory}; {there.live} uses {in_words(needed)}"
        return Observation(free >= needed, seen, final=True)

    return Check(
        "disk space for a second database",
        observe,
        "free space on the database's disk, or drop a database that is no longer needed",
    )
