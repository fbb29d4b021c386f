"""One dump tried for real: restored into a scratch database of production's own image, and its rows counted."""

from runbook.chapters.context import Context
from runbook.chapters.migrating.room import in_words
from runbook.chapters.restore.dump import databases, dump_of
from runbook.chapters.startup.scratch_database import ScratchDatabase
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.restoring.databases import COUNTS
from runbook.migrations.restoring.dump_file import lacking
from runbook.release import Release


def checked(context: Context, named: str) -> tuple[bool, list[str]]:
    """Whether the dump is whole and can be restored, and what was seen, a line each; nothing of production is changed.

    Raises SettingsError for a dump that cannot be one, and what reading it raises.
    """
    dump = dump_of(context, named)
    lines = [dump.path]
    if broken := dump.broken():
        return False, [*lines, f"NOT WHOLE: {broken}"]
    found = dump.contents()
    at = ", ".join(found.revisions) or "no revision"
    lines.append(f"whole: sha256 {dump.sha256()}, as beside it")
    lines.append(f"of {found.database} on PostgreSQL {found.version}, begun {found.made}, at {at}")
    if broken := dump.unreadable():
        return False, [*lines, f"NOT READ to its end: {broken}"]
    try:
        there = databases(context)
        missing = [f"role {name}" for name in lacking(found.roles, there.roles())]
        missing += [f"extension {name}" for name in lacking(found.extensions, there.extensions())]
        lines += [f"the live server lacks {', '.join(missing)}"] if missing else []
        rows = _restored(context, dump.path)
    except RunbookError as error:
        return False, [*lines, f"NOT RESTORED: {error}"]
    lines.append(f"restored into a scratch database, which is removed again: {len(rows)} tables")
    lines += [f"  {table}: {count} rows" for table, count in rows]
    return not missing, lines


def _restored(context: Context, path: str) -> list[tuple[str, int]]:
    """How many rows each table of the dump has. Raises Inconclusive when it cannot be restored."""
    if context.database.server.elsewhere is not None:
        raise Inconclusive(
            "a scratch database is made of the image of a service of the project, and this database is elsewhere",
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
                f"{in_words(free)} are free for a scratch database, and the live one has {in_words(needed)}",
                "make room where the engine keeps its containers",
            )
        copy.restore(path, deadline)
        return [(table, int(count)) for table, count in copy.rows(COUNTS, deadline)]
