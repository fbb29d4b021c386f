"""The rows that a downgrade destroys, saved to a separate file beside the restore point."""

import shlex

from runbook.actions import Action, ActionName, Artifact
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating import loss_acceptance
from runbook.incident.schema_facts import KeptRows
from runbook.migrations.verdict.table_names import bookkeeping
from runbook.production.docker_engine import FOLDER


def keeping(context: Context) -> Action:
    """Save those rows as SQL that puts them back. Nothing is done if no rows can be saved separately."""
    from runbook.migrations.restoring import kept_rows  # noqa: PLC0415 - loads PostgreSQL's grammar

    known, production, server = migration_facts.of(context), context.production, context.database.server
    # If rows were written since, another restore point was taken, and the rows are saved again beside that.
    path = f"{context.restore_point.path.removesuffix('.dump')}.rows.sql"
    done = migration_facts.reached(context)
    _, sql, why = loss_acceptance.ahead(context, known.failed)
    kept, own = kept_rows.Kept(), bookkeeping(context.settings.database)
    if not done and sql is not None:
        kept = kept_rows.kept_of(sql, known.upgrade_sql, context.database, own)
    psql = server.command(
        "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--quiet", "--no-align", "--tuples-only",
        *(word for each in kept_rows.statements(kept) for word in ("--command", each)),
        deadline=context.settings.deadlines.dump,
    )  # fmt: skip

    def already() -> str | None:
        before = context.incident.facts.kept_rows
        if before is not None and before.path == path and _sha256(context, path) == before.sha256:
            return f"{before.path} has them, from an earlier run of this incident"
        if done or kept.rows:
            return done
        none = f"the SQL could not be read: {why}" if sql is None else "; ".join(kept.left_out)
        return f"no rows can be saved separately ({none or 'it drops no table and no column'})"

    def record() -> None:
        before = context.incident.facts.kept_rows
        if not kept.rows or (before is not None and before.path == path and _sha256(context, path) == before.sha256):
            return
        inside = server.typed("psql", "--no-psqlrc", "--quiet", "--username", server.user, "--dbname", server.name)
        put_back = f"{shlex.join(('cd', production.directory))} && {inside} < {shlex.quote(path)}"
        told = tuple(rows.told for rows in kept.rows)
        fact = KeptRows(
            path=path, sha256=_sha256(context, path), kept=told, left_out=tuple(kept.left_out), put_back=put_back
        )
        context.incident.record_fact("kept rows", fact)

    new = f"{path}.new"
    writing = (
        production.command("mkdir", "--parents", "--mode=700", "--", f"{production.directory}/{FOLDER}"),
        server.to_file(new, psql),
        production.command("sync", "--", new),
        production.command("mv", "--force", "--", new, path),
    )
    rows = Artifact(path, "the rows that the downgrade destroys, as SQL that puts them back")
    return Action(
        ActionName.KEEP_ROWS,
        "the rows that the downgrade destroys are saved separately",
        writing if kept.rows else (),
        already,
        leaves=(rows,) if kept.rows else (),
        resource=server.name,
        new=path,
        record=record,
    )


def _sha256(context: Context, path: str) -> str:
    """Return the file's SHA-256; empty if there is no file."""
    command = context.production.command("sha256sum", "--", path, deadline=context.settings.deadlines.dump)
    done = context.host.run(command)
    return done.text[:64] if done.exit_code == 0 else ""
