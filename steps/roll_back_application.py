"""Chapter 2: behind a closed gate the target takes the failed release's place, proves itself, and users return."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import identify_target, roll_back_application, strategy, target
from runbook.chapters.context import Context


@given("a pinned target")
def pinned_target(tools: Context) -> None:
    tools.incident.verify(identify_target.fetched(tools, target.pinned(tools)))


@when("user traffic is paused")
@changes
def traffic_paused(tools: Context) -> None:
    tools.incident.execute(tools.gate.pausing(), tools.host)


@when("the env file is made to name the target")
@changes
def env_file_names_target(tools: Context) -> None:
    tools.incident.execute(roll_back_application.naming(tools, target.pinned(tools)), tools.host)


@when("the application is brought up on the target")
@changes
def brought_up(tools: Context) -> None:
    tools.incident.execute(roll_back_application.bringing_up(tools, target.pinned(tools)), tools.host)


@then("every application container runs the pinned digest")
def pinned_digest_runs(tools: Context) -> None:
    tools.incident.expect(tools.health.on_pinned_images(target.pinned(tools)))


@then("every application container stays healthy")
def stays_healthy(tools: Context) -> None:
    tools.incident.expect(tools.health.containers_healthy())


@then("all other services kept their containers")
def others_kept(tools: Context) -> None:
    before = tools.incident.facts["before"]["containers"]
    tools.incident.expect(roll_back_application.others_kept(tools, before, tools.settings.project.services))


@then("the traffic gate is closed")
def gate_closed(tools: Context) -> None:
    tools.incident.expect(tools.gate.being("closed"))


@then("users are kept out")
def users_kept_out(tools: Context) -> None:
    tools.incident.expect(tools.gate.keeping_users_out())


@then("the api is live behind the gate")
@then("the api is live")
def api_live(tools: Context) -> None:
    tools.incident.expect(tools.health.live())


@then("the api is ready behind the gate")
@then("the api is ready")
def api_ready(tools: Context) -> None:
    tools.incident.expect(tools.health.ready(strategy.readiness_rule(tools)))


@then("the env file names the target and is otherwise as before")
def env_file_otherwise_same(tools: Context) -> None:
    tools.incident.expect(roll_back_application.named(tools, target.pinned(tools)))


@then("the files on the production host describe what runs")
def files_describe(tools: Context) -> None:
    tools.incident.expect(roll_back_application.files_agree_with_containers(tools))


@when("user traffic is resumed")
@changes
def traffic_resumed(tools: Context) -> None:
    tools.incident.execute(tools.gate.resuming(), tools.host)


@then("the traffic gate is open")
def gate_open(tools: Context) -> None:
    tools.incident.expect(tools.gate.being("open"))


@then("the public address serves the target")
def serves_target(tools: Context) -> None:
    tools.incident.expect(tools.gate.serving(target.pinned(tools).tag))


@given("the digests of the failed release")
def failed_digests(tools: Context) -> None:
    tools.incident.verify(roll_back_application.failed_digests_known(tools))


@when("the rollback is written down on the production host")
@changes
def written_down(tools: Context) -> None:
    tools.incident.execute(roll_back_application.opening_incident(tools), tools.host)


@then("the failed release is in quarantine")
def failed_quarantined(tools: Context) -> None:
    tools.incident.expect(roll_back_application.failed_in_quarantine(tools))


@then("the target is not in quarantine")
def target_not_quarantined(tools: Context) -> None:
    tools.incident.expect(tools.known_good.not_quarantined(target.pinned(tools).digests))


@when("the failed release is quarantined")
@changes
def quarantined(tools: Context) -> None:
    roll_back_application.quarantine_failed(tools)
