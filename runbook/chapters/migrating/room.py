"""The disk space for a restore point, checked before traffic is paused."""

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.errors import Inconclusive
from runbook.hosts.command import Command

# The size of the tables without their indexes, which a dump does not contain. Its compression rate is not known before.
_TABLES = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_toast%'
  AND (n.nspname <> 'pg_catalog' OR c.relname = 'pg_largeobject')
"""


def for_restore_point(context: Context) -> Check:
    """Check that each disk has as much free space as the tables' size, for each dump that is written there."""

    def observe() -> Observation:
        needed, server = int(context.database.ask(_TABLES)[0][0]), context.database.server
        host = _free(context, context.production.command("df", "-P", "-k", "--", context.production.directory))
        places = {f"in {context.production.directory} on the host": (host, needed)}
        if server.elsewhere is None and context.settings.database is not None:
            folder = context.settings.database.dump_directory
            inside = _free(context, _inside(context, folder))
            # If it is the same disk, it has both dumps at the same time.
            both = needed * 2 if inside[0] == host[0] else needed
            places = {
                f"in {context.production.directory} on the host": (host, both),
                f"in {folder} of the service {context.settings.database.service}": (inside, both),
            }
        good = all(free >= wanted for (_, free), wanted in places.values())
        told = "; ".join(
            f"{in_words(free)} free {where}; at most {in_words(wanted)} needed"
            for where, ((_, free), wanted) in places.items()
        )
        return Observation(good, told, final=True)

    return Check(
        "disk space for the restore point, as much as the tables use",
        observe,
        "free disk space there, or set database.dump_directory to another folder of the container",
    )


def free_in_database(context: Context, directory: str) -> int:
    """Return the free bytes on the disk of a directory in the database's container.

    Raises Inconclusive for a database outside the project, whose disk cannot be read.
    """
    if context.database.server.elsewhere is not None:
        raise Inconclusive(
            "the free disk space of an external database is unknown", "check it where the database is managed"
        )
    return _free(context, _inside(context, directory))[1]


def in_words(size: int) -> str:
    """Return a number of bytes in words.

    >>> in_words(5 * 1024**3), in_words(2048)
    ('5.0 GiB', '2 KiB')
    """
    if size >= 1 << 30:
        return f"{size / (1 << 30):.1f} GiB"
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _inside(context: Context, directory: str) -> Command:
    service = context.settings.database.service if context.settings.database else ""
    return context.production.compose("exec", "-T", service, "df", "-P", "-k", directory)


def _free(context: Context, asking: Command) -> tuple[tuple[str, ...], int]:
    """Return what identifies a disk, and its free bytes. Raises Inconclusive when df does not report them."""
    done = context.host.run(asking)
    words = done.text.splitlines()[-1].split() if done.exit_code == 0 and done.text else []
    if len(words) < 6 or not words[3].isdigit():
        raise Inconclusive(f"the free disk space is unknown: {done.last_line}", f"to see why, type: {asking}")
    # The size identifies the disk, because its name is different inside a container.
    return (words[1],), int(words[3]) * 1024
