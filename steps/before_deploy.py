"""Chapter 0: whether production could return from the release to deploy, how, and with what data loss."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import before_deploy, identify_target, migration_facts
from runbook.chapters.context import Context


@given("the release that runs now")
def running_release(context: Context) -> Check:
    return before_deploy.note_running(context)


@given("the release to deploy")
def release_to_deploy(context: Context) -> Check:
    return before_deploy.pin(context)


@then("the release to deploy is not in quarantine")
def not_in_quarantine(context: Context) -> Check:
    return before_deploy.not_quarantined(context)


@when("the images of the release to deploy are pulled")
def images_pulled(context: Context) -> Action:
    return identify_target.fetching(context, before_deploy.release_to_deploy(context))


@then("the production host holds the release to deploy at its pinned digests")
def images_held(context: Context) -> Check:
    return identify_target.fetched(context, before_deploy.release_to_deploy(context))


@given("the migrations of the release that runs now")
def running_migrations(context: Context) -> Check:
    return migration_facts.read_running(context)


@given("the migrations that the release to deploy adds")
def added_migrations(context: Context) -> Check:
    return migration_facts.read_added(context, before_deploy.release_to_deploy(context))


@then("the release to deploy continues the database's revision")
def continues_revision(context: Context) -> Check:
    return before_deploy.continues(context)


@then("it could start on the schema that the release to deploy leaves")
def could_start(context: Context) -> Check:
    return before_deploy.could_start(context)


@given("the release to deploy has a downgrade() for every revision that it adds")
def working_downgrade(context: Context) -> Check:
    return before_deploy.usable(context)


@given("the downgrade command starts in the image of the release to deploy")
def downgrade_starts(context: Context) -> Check:
    return before_deploy.startable(context)


@then("the data loss of deploying and rolling back is stated")
def loss_named(context: Context) -> Check:
    return before_deploy.loss_named(context)
