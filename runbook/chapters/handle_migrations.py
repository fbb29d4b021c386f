"""How the schema goes back: with the failed release's image, to the target's head, believed only when it is seen."""

from dataclasses import replace

from runbook.actions import Change, Expectation, Seen
from runbook.chapters import migration_facts
from runbook.chapters.context import Toolbox
from runbook.chapters.migrating import migrate_command, time_limits
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.target import pinned
from runbook.errors import Inconclusive

_HELD = "production is held as it is: only a forward-fix (--forward-fix TAG) or a backup from before that deploy helps"


def usable(tools: Toolbox) -> Expectation:
    """That every revision to undo has a `downgrade()` that surely does something."""

    def look() -> Seen:
        steps = migration_facts.steps_to_undo(tools)
        bad = [f"downgrade() of {step.revision} is {step.downgrade.shape}" for step in steps if not step.undoes]
        good = f"to undo, in this order: {', '.join(step.revision for step in steps)}"
        return Seen(bool(steps) and not bad, "; ".join(bad) or good, final=True)

    return Expectation("a working downgrade for every revision to undo", look, _HELD, acceptable=False)


def stopping(tools: Toolbox) -> Change:
    """The change that stops the application, so that nothing reads or writes while the schema goes back."""
    known, target = migration_facts.of(tools), pinned(tools)
    images = {service: tools.production.image_id(target.pinned(service)) for service in target.digests}

    def already() -> str | None:
        containers = tools.production.application()
        stopped = all(container.state in ("exited", "created") for container in containers)
        shown = "; ".join(container.one_line for container in containers)
        # On its own schema the target may run: what had to stop for the downgrade has stopped, and is gone.
        switched = set(tools.catalog.revisions()) == {known.target_head} and all(
            container.image_id == images.get(container.service) for container in containers
        )
        return f"{shown}{', on the schema of the target' if switched else ''}" if stopped or switched else None

    services = ", ".join(tools.settings.project.services)
    return Change(f"{services} are stopped", (tools.production.stopping(),), already)


def startable(tools: Toolbox) -> Expectation:
    """That the command that downgrades starts, in a container like the one that will carry it out.

    Nothing is tried once the schema is back: the failed release's containers may be gone by then.
    """
    trial = migrate_command.starts(tools, _failed_tag(tools), Direction.DOWNGRADE)

    def look() -> Seen:
        done = migration_facts.reached(tools)
        return Seen(ok=True, seen=f"{done}: there is nothing left to undo") if done else trial.look()

    return replace(trial, look=look)


def _failed_tag(tools: Toolbox) -> str:
    """The failed release's tag; after a switch that was cut short its containers may be gone, or two sorts stand."""
    failed: list[str] = tools.incident.facts["origin"]["tags"]
    if len(failed) == 1:
        return failed[0]
    return tools.production.running_tag([tools.settings.migrations.service]) or tools.production.tag()


def undoing(tools: Toolbox) -> Change:
    """The change that downgrades the schema to the target's head, in isolation, with the failed release's image.

    The target's image has no such revisions (trap 2).
    """
    head, tag = migration_facts.of(tools).target_head, _failed_tag(tools)
    command = migrate_command.running(tools, tag, Direction.DOWNGRADE, head)

    summary = f"the schema is downgraded to {head} with the image of {tag}"
    return Change(summary, (command,), lambda: migration_facts.reached(tools))


def undo(tools: Toolbox) -> None:
    """Carry that out, with its locks and statements held to their limits."""
    with time_limits.kept(tools, Direction.DOWNGRADE):
        tools.incident.carry_out(undoing(tools), tools.host)


def at_target_head(tools: Toolbox) -> Expectation:
    """That the database says it is at the target's head."""
    head = migration_facts.of(tools).target_head

    def look() -> Seen:
        revisions = tools.catalog.revisions()
        return Seen(set(revisions) == {head}, f"the database is at {', '.join(revisions)}")

    helps = "read the downgrade's output; the restore point is there"
    return Expectation(f"the database at {head}", look, helps, acceptable=False)


def as_target_maps(tools: Toolbox) -> Expectation:
    """That the catalog has all that the target's code maps: a downgrade may exit 0 and undo nothing (trap 9)."""
    models = migration_facts.of(tools).target.models

    def look() -> Seen:
        if models is None:
            raise Inconclusive(
                f"the target's models could not be read: {migration_facts.of(tools).target.why('models')}",
                "compare the schema by hand; the restore point is there",
            )
        there = tools.catalog.columns()
        missing, mapped = [], 0
        for table in models.tables:
            name = table.name if table.schema in (None, "public") else f"{table.schema}.{table.name}"
            mapped += len(table.columns)
            missing += [f"{name}.{c.name}" for c in table.columns if c.name not in there.get(name, set())]
        seen = f"the catalog lacks {', '.join(missing)}" if missing else f"all {mapped} mapped columns are there"
        return Seen(not missing, seen, final=True)

    return Expectation(
        "every table and column that the target's code maps",
        look,
        "the downgrade undid nothing, or not all: ship a forward-fix, or restore the restore point",
        acceptable=False,
    )


def migration_startable(tools: Toolbox) -> Expectation:
    """That the command that migrates starts, in a container like the one that will carry it out."""
    return migrate_command.starts(tools, pinned(tools).tag, Direction.UPGRADE)


def migrating(tools: Toolbox) -> Change:
    """The change that brings the schema to the forward-fix's head, in isolation, before the application follows."""
    release, known = pinned(tools), migration_facts.of(tools)
    heads = known.target.heads
    command = migrate_command.running(tools, release.tag, Direction.UPGRADE, known.target_head)
    summary = f"the schema is migrated to {', '.join(heads)} with {release.tag}"
    return Change(summary, (command,), lambda: migration_facts.reached(tools))


def migrate(tools: Toolbox) -> None:
    """Carry that out, with its locks and statements held to their limits."""
    with time_limits.kept(tools, Direction.UPGRADE):
        tools.incident.carry_out(migrating(tools), tools.host)


def migrated(tools: Toolbox) -> Expectation:
    """That the database says it is at the head of the release that is rolled out."""
    heads = set(migration_facts.of(tools).target.heads)

    def look() -> Seen:
        revisions = tools.catalog.revisions()
        return Seen(set(revisions) == heads, f"the database is at {', '.join(revisions)}")

    at = f"the database at {', '.join(sorted(heads))}"
    return Expectation(at, look, "read the migration's output", acceptable=False)
