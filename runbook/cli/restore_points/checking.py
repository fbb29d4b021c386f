"""A real test of one dump: restore it into a scratch database of production's image, and count its rows."""

from runbook.chapters.context import Context
from runbook.chapters.migrating.room import in_words
from runbook.chapters.restore.dump import databases, dump_of
from runbook.chapters.startup.scratch_database import ScratchDatabase
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.restoring.databases import COUNTS
from runbook.migrations.restoring.dump_file import lacking
from runbook.release import Release
from runbook.text import counted


def checked(context: Context, named: str) -> tuple[bool, list[str]]:
    """Tell whether the dump is intact and can be restored, with what was seen, line by line. Production is unchanged.

    Raises SettingsError for a name that cannot be a dump, and the errors of reading it.
    """
    dump = dump_of(context, named)
    lines = [dump.path]
    if broken := dump.broken():
        return False, [*lines, f"DAMAGED: {broken}"]
    found = dump.contents()
    at = ", ".join(found.revisions) or "no revision"
    lines.append(f"intact: sha256 {dump.sha256()}, as in its .sha256 file")
    lines.append(f"of {found.database} on PostgreSQL {found.version}, begun {found.made}, at {at}")
    if broken := dump.unreadable():
        return False, [*lines, f"NOT READABLE to its end: {broken}"]
    try:
        there = databases(context)
        missing = [f"role {name}" for name in lacking(found.roles, there.roles())]
        missing += [f"extension {name}" for name in lacking(found.extensions, there.extensions())]
        lines += [f"the live server lacks {', '.join(missing)}"] if missing else []
        rows = _restored(context, dump.path)
    except RunbookError as error:
        return False, [*lines, f"NOT RESTORED: {error}"]
    lines.append(f"restored into a scratch database, which is now removed: {counted(len(rows), 'table')}")
    lines += [f"  {table}: {counted(count, 'row')}" for table, count in rows]
    return not missing, lines


def _restored(context: Context, path: str) -> list[tuple[str, int]]:
    """Return the number of rows of each table in the dump. Raises Inconclusive when it cannot be restored."""
    if context.database.server.elsewhere is not None:
        raise Inconclusive(
            "a scratch database needs the image of the project's database service, and this database is elsewhere",
            f"restore it beside the live one: python -m runbook restore-point restore {path}",
        )
    needed, deadline = databases(context).size(), context.settings.deadlines.dump
    project = ScratchProject(context, Release("", {}, {}))
    with project.removed_afterwards():
        project.begin()
        copy = ScratchDatabase(context, project)
        copy.wait()
        if (free := copy.free_bytes()) < needed:
            raise Inconclusive(
                f"{in_words(free)} are free for a scratch database, but the live one has {in_words(needed)}",
                "free space where the engine stores its containers",
            )
        copy.restore(path, deadline)
        return [(table, int(count)) for table, count in copy.rows(COUNTS, deadline)]
