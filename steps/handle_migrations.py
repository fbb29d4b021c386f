"""Chapter 3: the schema goes back behind a restore point, or forward with a fix."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import handle_migrations, strategy
from runbook.chapters.context import Context
from runbook.chapters.migrating import loss_acceptance


@given("a working downgrade for every revision to undo")
def working_downgrade(tools: Context) -> None:
    tools.incident.verify(handle_migrations.usable(tools))


@given("the command that downgrades starts in the image of the failed release")
def downgrade_starts(tools: Context) -> None:
    tools.incident.verify(handle_migrations.startable(tools))


@then("the loss is named and accepted")
def loss_accepted(tools: Context) -> None:
    tools.incident.expect(loss_acceptance.expected(tools))


@when("the application is stopped")
@changes
def application_stopped(tools: Context) -> None:
    tools.incident.execute(handle_migrations.stopping(tools), tools.host)


@when("a restore point is taken")
@changes
def restore_point_taken(tools: Context) -> None:
    tools.incident.execute(strategy.restore_point_taken(tools), tools.host)


@then("the restore point reads back")
def restore_point_reads_back(tools: Context) -> None:
    tools.incident.expect(strategy.restore_point_read_back(tools))


@when("the dump inside the database's container is removed")
@changes
def dump_inside_removed(tools: Context) -> None:
    tools.incident.execute(tools.restore_point.tidying(), tools.host)


@when("the schema is downgraded with the image of the failed release")
@changes
def downgraded(tools: Context) -> None:
    handle_migrations.undo(tools)


@then("the database is at the head of the target")
def at_target_head(tools: Context) -> None:
    tools.incident.expect(handle_migrations.at_target_head(tools))


@then("the schema is what the code of the target maps")
def as_target_maps(tools: Context) -> None:
    tools.incident.expect(handle_migrations.as_target_maps(tools))


@given("the command that migrates starts in the image of the forward-fix")
def migration_starts(tools: Context) -> None:
    tools.incident.verify(handle_migrations.migration_startable(tools))


@when("the schema is migrated with the image of the forward-fix")
@changes
def migrated_forward(tools: Context) -> None:
    handle_migrations.migrate(tools)


@then("the database is at the head of the forward-fix")
def at_fix_head(tools: Context) -> None:
    tools.incident.expect(handle_migrations.migrated(tools))
