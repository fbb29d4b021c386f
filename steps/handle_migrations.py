"""Chapter 3: the schema is downgraded after a restore point, upgraded with a forward-fix, or relaxed by a bridge."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import handle_migrations, strategy
from runbook.chapters.context import Context
from runbook.chapters.migrating import bridge, kept_rows, loss_acceptance, room


@given("a downgrade() for every revision to undo")
def working_downgrade(context: Context) -> Check:
    return handle_migrations.usable(context)


@given("the downgrade command starts in the image of the failed release")
def downgrade_starts(context: Context) -> Check:
    return handle_migrations.startable(context)


@given("a restore point can be taken")
def restore_point_can_be_taken(context: Context) -> Check:
    return context.restore_point.can_be_taken()


@given("there is disk space for a restore point")
def room_for_restore_point(context: Context) -> Check:
    return room.for_restore_point(context)


@then("a person has accepted the data loss by name")
def loss_accepted(context: Context) -> Check:
    return loss_acceptance.expected(context)


@when("the application is stopped")
def application_stopped(context: Context) -> Action:
    return handle_migrations.stopping(context)


@when("a restore point is taken")
def restore_point_taken(context: Context) -> Action:
    return strategy.restore_point_taken(context)


@then("the restore point reads back")
def restore_point_reads_back(context: Context) -> Check:
    return strategy.restore_point_read_back(context)


@when("the dump in the database container is removed")
def dump_inside_removed(context: Context) -> Action:
    return context.restore_point.tidying()


@when("the rows that the downgrade destroys are saved separately")
def destroyed_kept(context: Context) -> Action:
    return kept_rows.keeping(context)


@when("the schema is downgraded with the image of the failed release")
def downgraded(context: Context) -> Action:
    return handle_migrations.undo(context)


@then("the database is at the head of the target")
def at_target_head(context: Context) -> Check:
    return handle_migrations.at_target_head(context)


@then("the database has every table and column that the target maps")
def as_target_maps(context: Context) -> Check:
    return handle_migrations.as_target_maps(context)


@given("the upgrade command starts in the image of the forward-fix")
def migration_starts(context: Context) -> Check:
    return handle_migrations.migration_startable(context)


@when("the schema is upgraded with the image of the forward-fix")
def migrated_forward(context: Context) -> Action:
    return handle_migrations.migrate(context)


@then("the database is at the head of the forward-fix")
def at_fix_head(context: Context) -> Check:
    return handle_migrations.migrated(context)


@given("the bridge was applied to and removed from a copy of the schema")
def bridge_tried(context: Context) -> Check:
    return bridge.tried(context)


@when("the bridge is recorded on the production host")
def bridge_noted(context: Context) -> Action:
    return bridge.noting(context)


@when("the schema is relaxed for the target")
def schema_relaxed(context: Context) -> Action:
    return bridge.building(context)


@then("the catalog matches the copy with the bridge")
def bridge_built(context: Context) -> Check:
    return bridge.built(context)


@given("an existing bridge can be removed")
def bridge_removable(context: Context) -> Check:
    return bridge.removable(context)


@when("an existing bridge is removed")
def bridge_removed(context: Context) -> Action:
    return bridge.removing(context)
