"""Chapter 2: behind a closed gate the target takes the failed release's place, proves itself, and users return."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import identify_target, roll_back_application, strategy, target
from runbook.chapters.context import Context


@given("the pinned target")
def pinned_target(context: Context) -> None:
    context.incident.verify(identify_target.fetched(context, target.pinned_release(context)))


@given("the schema change is backward compatible")
def backward_compatible(context: Context) -> None:
    context.incident.verify(strategy.backward_compatible(context))


@then("the target starts on the schema as it is")
def starts_on_schema(context: Context) -> None:
    context.incident.expect(strategy.starts_on_newer_schema(context))


@when("traffic is paused")
@changes
def traffic_paused(context: Context) -> None:
    context.incident.execute(context.gate.pause(), context.host)


@when("IMAGE_TAG in the env file is set to the target")
@changes
def env_file_names_target(context: Context) -> None:
    context.incident.execute(roll_back_application.naming(context, target.pinned_release(context)), context.host)


@when("api and jobs are brought up on the target")
@changes
def brought_up(context: Context) -> None:
    context.incident.execute(roll_back_application.bringing_up(context, target.pinned_release(context)), context.host)


@then("every api and jobs container runs the pinned digest")
def pinned_digest_runs(context: Context) -> None:
    context.incident.expect(context.health.check_pinned_images(target.pinned_release(context)))


@then("every api and jobs container stays healthy")
def stays_healthy(context: Context) -> None:
    context.incident.expect(context.health.check_containers_healthy())


@then("no other service was recreated")
def others_kept(context: Context) -> None:
    before = context.incident.facts["before"]["containers"]
    context.incident.expect(roll_back_application.others_kept(context, before, context.settings.project.services))


@then("the traffic gate is closed")
def gate_closed(context: Context) -> None:
    context.incident.expect(context.gate.check_state("closed"))


@then("no request reaches the application")
def users_kept_out(context: Context) -> None:
    context.incident.expect(context.gate.check_traffic_paused())


@then("/healthz answers at every api container")
def api_live(context: Context) -> None:
    context.incident.expect(context.health.check_live())


@then("/readyz answers at every api container")
def api_ready(context: Context) -> None:
    context.incident.expect(context.health.check_ready(strategy.readiness_rule(context)))


@then("nothing but IMAGE_TAG has changed in the env file")
def env_file_otherwise_same(context: Context) -> None:
    context.incident.expect(roll_back_application.named(context, target.pinned_release(context)))


@then("the Compose files describe what runs")
def files_describe(context: Context) -> None:
    context.incident.expect(roll_back_application.files_agree_with_containers(context))


@when("traffic is resumed")
@changes
def traffic_resumed(context: Context) -> None:
    context.incident.execute(context.gate.resume(), context.host)


@then("the traffic gate is open")
def gate_open(context: Context) -> None:
    context.incident.expect(context.gate.check_state("open"))


@then("the public address serves the target")
def serves_target(context: Context) -> None:
    context.incident.expect(context.gate.check_serves(target.pinned_release(context).tag))


@given("the digests of the failed release")
def failed_digests(context: Context) -> None:
    context.incident.verify(roll_back_application.failed_digests_known(context))


@when("the rollback is recorded on the production host")
@changes
def written_down(context: Context) -> None:
    context.incident.execute(roll_back_application.opening_incident(context), context.host)


@then("the failed release is in quarantine")
def failed_quarantined(context: Context) -> None:
    context.incident.expect(roll_back_application.failed_in_quarantine(context))


@then("the target is not in quarantine")
def target_not_quarantined(context: Context) -> None:
    context.incident.expect(context.quarantine.check_not_quarantined(target.pinned_release(context).digests))


@when("the failed release is quarantined")
@changes
def quarantined(context: Context) -> None:
    roll_back_application.quarantine_failed(context)
