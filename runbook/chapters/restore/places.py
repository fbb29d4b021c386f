"""The restored database and the live one: restored beside it, and swapped with it. The former live one is kept."""

from runbook.actions import Action, ActionName, Check, Observation, recorded
from runbook.chapters.context import Context
from runbook.chapters.migrating.schema_revisions import is_own
from runbook.chapters.restore.dump import databases, dump_of, fact_of
from runbook.errors import CheckFailed, Inconclusive
from runbook.incident.schema_facts import RowsOf
from runbook.migrations.database import version_table
from runbook.notify.wording import rows_told
from runbook.text import counted


def _remark(sha256: str) -> str:
    return f"restored whole from {sha256}"


def _swapped(context: Context, remark: str) -> str | None:
    """Return the evidence, in words, that this incident has swapped the databases; None if it has not."""
    there = databases(context)
    if there.aside not in there.names() or there.remark(there.live) != remark:
        return None
    return f"{there.live} is the restored database; the former one is kept as {there.aside}"


def restoring_beside(context: Context) -> Action:
    """Restore the dump into a new database. The live database and its users are not affected.

    A comment on the new database marks it as whole. After an interrupted restore, it is created again.
    """
    dump, there = dump_of(context), databases(context)
    sha256 = dump.sha256()
    remark = _remark(sha256)

    def already() -> str | None:
        if done := _swapped(context, remark):
            return done
        whole = there.beside in there.names() and there.remark(there.beside) == remark
        return f"{there.beside} exists and was {remark}" if whole else None

    deadline = context.settings.deadlines.dump
    return Action(
        ActionName.RESTORE_BESIDE,
        f"{dump.path} is restored into {there.beside}",
        (*there.making(), dump.restoring(there.beside, there.role), *there.completing(remark, deadline)),
        already,
        resource=dump.path,
        new=there.beside,
    )


def restored_whole(context: Context) -> Check:
    """Check that the restored database has every table of the dump, at the dump's revision."""
    dump, there = dump_of(context), databases(context)

    def observe() -> Observation:
        found = dump.contents()
        rows = there.counts(there.beside, context.settings.deadlines.dump)
        held = {name.replace(".", " ", 1) for name in rows}
        missing = [name for name in found.tables if not any(name.startswith(f"{table} ") for table in held)]
        if missing:
            return Observation(ok=False, seen=f"{there.beside} lacks {', '.join(missing)}", final=True)
        at = there.revisions(_table(context)) if found.revisions else ()
        holds = f"{counted(len(rows), 'table')}, {counted(sum(rows.values()), 'row')}"
        told = f"{holds}, at {', '.join(at) or 'no revision'}"
        return Observation(at == found.revisions, f"{there.beside}: {told}", final=True)

    helps = "look at the messages of pg_restore; the live database was not touched"
    return Check("every table of the dump, at its revision", observe, helps, acceptable=False)


def ready(context: Context) -> Check:
    """Check that the restored database is whole, or that it is the live one already."""
    dump, there = dump_of(context), databases(context)

    def observe() -> Observation:
        remark = _remark(dump.sha256())
        if done := _swapped(context, remark):
            return Observation(ok=True, seen=done)
        there_and_whole = there.beside in there.names() and there.remark(there.beside) == remark
        told = f"{there.beside} was {remark}" if there_and_whole else f"{there.beside} is missing or incomplete"
        return Observation(there_and_whole, told, final=True)

    return Check(
        "a restored database that is whole",
        observe,
        "type it again without --resume: the dump is restored again",
        acceptable=False,
        afterwards=True,
    )


def stopping(context: Context) -> Action:
    """Stop project.services, so that nothing is written to the database any more."""

    def already() -> str | None:
        containers = context.production.application()
        stopped = all(container.state in ("exited", "created") for container in containers)
        return "; ".join(container.one_line for container in containers) if stopped else None

    services = ", ".join(context.settings.project.services)
    stop = (context.production.stop_command(),)
    return Action(ActionName.STOP_APPLICATION, f"{services} are stopped", stop, already, resource=services)


def keeping(context: Context) -> Action:
    """Take a restore point of the live database, unless the databases are swapped already."""
    remark = _remark(dump_of(context).sha256())
    return context.restore_point.taking(lambda: _swapped(context, remark))


def kept(context: Context) -> Check:
    """Check that this restore point is whole and has the data of every table."""
    remark = _remark(dump_of(context).sha256())
    tables = () if _swapped(context, remark) else tuple(context.database.tables())
    return context.restore_point.reads_back(tables, lambda: _swapped(context, remark))


def swapping(context: Context) -> Action:
    """Swap the names of the two databases, in one transaction.

    The application must be stopped, because it would otherwise write to the database that is put aside. The check
    whether the swap is done already raises CheckFailed if it runs.
    """
    dump, there = dump_of(context), databases(context)
    remark = _remark(dump.sha256())

    def already() -> str | None:
        if done := _swapped(context, remark):
            return done
        if running := [each.name for each in context.production.application() if each.state == "running"]:
            raise CheckFailed(
                f"{', '.join(running)} still runs and would write to the database that is set aside",
                f"stop it: {context.production.stop_command()}",
            )
        return None

    return Action(
        ActionName.SWAP_DATABASE,
        f"{there.beside} replaces {there.live}, which is kept as {there.aside}",
        (there.swapping(),),
        already,
        resource=there.live,
        old=there.live,
        new=there.aside,
    )


def in_place(context: Context) -> Check:
    """Check that the live database is the restored one, at the revision of the dump."""
    dump, there = dump_of(context), databases(context)

    def observe() -> Observation:
        wanted, done = dump.contents().revisions, _swapped(context, _remark(dump.sha256()))
        at = context.database.revisions() if wanted and not is_own(context) else wanted
        told = f"{done or f'{there.live} is not the restored database'}; it is at {', '.join(at) or 'no revision'}"
        return Observation(done is not None and at == wanted, told)

    helps = f"the former live database is kept as {there.aside}"
    return Check("the restored database under the live one's name", observe, helps, acceptable=False)


def told(context: Context) -> Check:
    """Count the rows of both databases, and record them with the commands to type next."""
    dump, there = dump_of(context), databases(context)

    def look() -> str:
        deadline = context.settings.deadlines.dump
        now, before = there.counts(there.live, deadline), there.counts(there.aside, deadline)
        rows = tuple(
            RowsOf(table=table, restored=now.get(table), before=before.get(table)) for table in sorted(now | before)
        )
        fact = fact_of(context, dump.contents()).model_copy(update={"rows": rows})
        context.incident.record_fact("restored", fact)
        return f"rows in {there.live} (formerly in {there.aside}): {rows_told(rows)}"

    return recorded("the rows of both databases", look, afterwards=True)


def _table(context: Context) -> str:
    if context.settings.database is None:
        raise Inconclusive("no database is named", "name it in the settings: [database]")
    return version_table(context.settings.database)
