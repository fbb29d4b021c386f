"""Chapter 3: the schema goes back behind a restore point, or forward with a fix."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import handle_migrations, strategy
from runbook.chapters.context import Context
from runbook.chapters.migrating import loss_acceptance


@given("a downgrade() for every revision to undo")
def working_downgrade(context: Context) -> None:
    context.incident.verify(handle_migrations.usable(context))


@given("the downgrade command starts in the image of the failed release")
def downgrade_starts(context: Context) -> None:
    context.incident.verify(handle_migrations.startable(context))


@then("a person has accepted the data loss by name")
def loss_accepted(context: Context) -> None:
    context.incident.expect(loss_acceptance.expected(context))


@when("the application is stopped")
@changes
def application_stopped(context: Context) -> None:
    context.incident.execute(handle_migrations.stopping(context), context.host)


@when("a restore point is taken")
@changes
def restore_point_taken(context: Context) -> None:
    context.incident.execute(strategy.restore_point_taken(context), context.host)


@then("the restore point reads back")
def restore_point_reads_back(context: Context) -> None:
    context.incident.expect(strategy.restore_point_read_back(context))


@when("the dump in the database container is removed")
@changes
def dump_inside_removed(context: Context) -> None:
    context.incident.execute(context.restore_point.tidying(), context.host)


@when("the schema is downgraded with the image of the failed release")
@changes
def downgraded(context: Context) -> None:
    handle_migrations.undo(context)


@then("the database is at the head of the target")
def at_target_head(context: Context) -> None:
    context.incident.expect(handle_migrations.at_target_head(context))


@then("the database has every table and column that the target maps")
def as_target_maps(context: Context) -> None:
    context.incident.expect(handle_migrations.as_target_maps(context))


@given("the upgrade command starts in the image of the forward-fix")
def migration_starts(context: Context) -> None:
    context.incident.verify(handle_migrations.migration_startable(context))


@when("the schema is upgraded with the image of the forward-fix")
@changes
def migrated_forward(context: Context) -> None:
    handle_migrations.migrate(context)


@then("the database is at the head of the forward-fix")
def at_fix_head(context: Context) -> None:
    context.incident.expect(handle_migrations.migrated(context))
