"""Chapter 1: production is recorded, the target is chosen and pinned, and the migrations are judged."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import identify_target, migration_facts, strategy, target
from runbook.chapters.checks import ahead, compose_files, env_file, several_hosts
from runbook.chapters.configuration import drift, restoring
from runbook.chapters.context import Context
from runbook.chapters.switching import deciding


@given("the Compose project is up on the production host")
def application_deployed(context: Context) -> Check:
    return identify_target.project_running(context)


@given("the production host has disk space for another release")
def room_on_host(context: Context) -> Check:
    return identify_target.room_on_host(context)


@given("IMAGE_TAG in the env file decides which release runs")
def tag_in_env_file(context: Context) -> Check:
    return ahead.gate_and_health(context, env_file.decides(context))


@given("the env file can be replaced")
def env_file_replaceable(context: Context) -> Check:
    return env_file.replaceable(context)


@then("the state of production before any change is on record")
def production_on_record(context: Context) -> Check:
    return identify_target.record_before(context)


@given("the traffic gate and the public address agree")
def gate_and_address_agree(context: Context) -> Check:
    return context.gate.check_consistent(context.health.is_ready)


@given("traffic can be paused and resumed")
def traffic_can_be_turned(context: Context) -> Check:
    return context.gate.check_commands()


@given("/healthz and /readyz are reachable")
def api_askable(context: Context) -> Check:
    return context.health.check_requests_fit()


@given("the last known-good image tag")
def known_good_release(context: Context) -> Check:
    return identify_target.identify(context)


@when("the images of the target are pulled")
def images_fetched(context: Context) -> Action:
    return identify_target.fetching(context, target.pinned_release(context))


@then("the production host holds the target at its pinned digests")
def images_held(context: Context) -> Check:
    return ahead.files_and_schema(context, identify_target.fetched(context, target.pinned_release(context)))


@given("the Compose files that production was started with")
def files_known(context: Context) -> Check:
    return compose_files.files_known(context)


@then("every service that depends on the application is named")
def followers_named(context: Context) -> Check:
    return compose_files.note_what_follows(context, target.pinned_release(context))


@then("bringing up the target changes no other service")
def switchable(context: Context) -> Check:
    return compose_files.switchable(context, target.pinned_release(context))


@then("configuration drift since the target was validated is on record")
def drift_on_record(context: Context) -> Check:
    return drift.note_drift(context, target.pinned_release(context))


@then("the configuration for the target is decided")
def configuration_decided(context: Context) -> Check:
    return restoring.decide(context, target.pinned_release(context))


@given("the schema revision of the database")
def schema_revision(context: Context) -> Check:
    return migration_facts.read_revision(context)


@given("the migrations that the target includes")
def target_migrations(context: Context) -> Check:
    return migration_facts.read_target(context, target.pinned_release(context))


@given("the migrations that the failed release added")
def failed_migrations(context: Context) -> Check:
    return migration_facts.read_failed(context)


@then("the verdict decides the strategy")
def strategy_decided(context: Context) -> Check:
    return several_hosts.one_strategy(context, strategy.record_decision(context))


@then("the switch mode is decided")
def switch_decided(context: Context) -> Check:
    return deciding.decided(context)
