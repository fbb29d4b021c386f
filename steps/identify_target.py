"""Chapter 1: production is written down, the target is found and pinned, the migrations are judged."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import identify_target, migration_facts, strategy, target
from runbook.chapters.checks import compose_files
from runbook.chapters.context import Context


@given("the application is deployed on the production host")
def application_deployed(tools: Context) -> None:
    tools.incident.verify(identify_target.project_running(tools))


@given("the production host has room for another release")
def room_on_host(tools: Context) -> None:
    tools.incident.verify(identify_target.room_on_host(tools))


@given("the env file decides which release runs")
def tag_in_env_file(tools: Context) -> None:
    tools.incident.verify(identify_target.tag_in_env_file(tools))


@given("the env file can be replaced")
def env_file_replaceable(tools: Context) -> None:
    tools.incident.verify(identify_target.replaceable_env_file(tools))


@then("production before any change is on record")
def production_on_record(tools: Context) -> None:
    identify_target.write_down_before(tools)


@given("the traffic gate and the public address say the same")
def gate_and_address_agree(tools: Context) -> None:
    tools.incident.verify(tools.gate.agreeing(tools.health.well))


@given("traffic can be paused and resumed")
def traffic_can_be_turned(tools: Context) -> None:
    tools.incident.verify(tools.gate.turnable())


@given("the api can be asked whether it is live and ready")
def api_askable(tools: Context) -> None:
    tools.incident.verify(tools.health.askable())


@given("a release to return to")
def known_good_release(tools: Context) -> None:
    identify_target.identify(tools, tools.wishes.forward_fix or tools.wishes.target)


@when("the images of the target are fetched")
@changes
def images_fetched(tools: Context) -> None:
    tools.incident.execute(identify_target.fetching(tools, target.pinned(tools)), tools.host)


@then("the production host holds the target at its pinned digests")
def images_held(tools: Context) -> None:
    tools.incident.expect(identify_target.fetched(tools, target.pinned(tools)))


@given("the files that production was made from")
def files_known(tools: Context) -> None:
    tools.incident.verify(compose_files.files_known(tools))


@then("everything that follows the application is named")
def followers_named(tools: Context) -> None:
    tools.incident.expect(compose_files.note_what_follows(tools, target.pinned(tools)))


@then("bringing up the target would change nothing else")
def switchable(tools: Context) -> None:
    tools.incident.expect(compose_files.switchable(tools, target.pinned(tools)))


@given("the schema revision of the database")
def schema_revision(tools: Context) -> None:
    migration_facts.read_revision(tools)


@given("the migrations that the target knows")
def target_migrations(tools: Context) -> None:
    migration_facts.read_target(tools, target.pinned(tools))


@given("the migrations that the failed release brought")
def failed_migrations(tools: Context) -> None:
    migration_facts.read_failed(tools)


@then("the verdict names the way back")
def way_decided(tools: Context) -> None:
    tools.incident.expect(strategy.decide(tools))


@then("the target can start on the schema that it will find")
def can_start(tools: Context) -> None:
    tools.incident.expect(strategy.starts_on_newer_schema(tools))
