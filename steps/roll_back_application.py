"""Chapter 2: the target proves itself and replaces the failed release, and traffic is resumed."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import identify_target, roll_back_application, strategy, target
from runbook.chapters.context import Context
from runbook.chapters.people import applied, telling
from runbook.chapters.switching import abandoning, beside, traffic


@given("the pinned target")
def pinned_target(context: Context) -> Check:
    return identify_target.fetched(context, target.pinned_release(context))


@given("the schema change is backward compatible")
def backward_compatible(context: Context) -> Check:
    return strategy.backward_compatible(context)


@then("the target can start on the current schema")
def starts_on_schema(context: Context) -> Check:
    return strategy.starts_on_newer_schema(context)


@when("traffic is paused")
def traffic_paused(context: Context) -> Action:
    return traffic.pausing(context)


@when("IMAGE_TAG in the env file is set to the target")
def env_file_names_target(context: Context) -> Action:
    return roll_back_application.naming(context, target.pinned_release(context))


@when("api and jobs are brought up on the target")
def brought_up(context: Context) -> Action:
    return roll_back_application.bringing_up(context, target.pinned_release(context))


@then("every api and jobs container runs the pinned digest")
def pinned_digest_runs(context: Context) -> Check:
    return context.health.check_pinned_images(target.pinned_release(context))


@then("every api and jobs container is healthy")
def healthy_now(context: Context) -> Check:
    return context.health.check_healthy_now()


@then("no other service was recreated")
def others_kept(context: Context) -> Check:
    return roll_back_application.application_alone(context)


@then("the traffic gate lets no request through")
def lets_nothing_through(context: Context) -> Check:
    return traffic.lets_nothing_through(context)


@then("no request reaches the application")
def no_request_arrives(context: Context) -> Check:
    return traffic.no_request_arrives(context)


@then("/healthz answers at every api container")
def api_live(context: Context) -> Check:
    return context.health.check_live()


@then("/readyz answers at every api container")
def api_ready(context: Context) -> Check:
    return strategy.ready(context)


@then("nothing but IMAGE_TAG has changed in the env file")
def env_file_otherwise_same(context: Context) -> Check:
    return roll_back_application.named(context, target.pinned_release(context))


@then("a later docker compose up recreates nothing")
def files_describe(context: Context) -> Check:
    return roll_back_application.files_agree_with_containers(context)


@when("traffic is resumed")
def traffic_resumed(context: Context) -> Action:
    return traffic.resuming(context)


@then("the traffic gate is open")
def gate_open(context: Context) -> Check:
    return context.gate.check_open()


@then("the public address serves the target")
def serves_target(context: Context) -> Check:
    return context.gate.check_serves(target.pinned_release(context).tag)


@given("the digests of the failed release")
def failed_digests(context: Context) -> Check:
    return roll_back_application.failed_digests_known(context)


@when("the rollback is recorded on the production host")
def rollback_recorded(context: Context) -> Action:
    return roll_back_application.opening_incident(context)


@then("the failed release is in quarantine")
def failed_quarantined(context: Context) -> Check:
    return roll_back_application.failed_in_quarantine(context)


@then("the target is not in quarantine")
def target_not_quarantined(context: Context) -> Check:
    return context.quarantine.check_not_quarantined(target.pinned_release(context).digests)


@when("the failed release is quarantined")
def quarantined(context: Context) -> Action:
    return roll_back_application.quarantine_failed(context)


@when("api is started on the target beside the failed release")
def started_beside(context: Context) -> Action:
    return beside.starting(context)


@when("jobs are stopped, and brought up on the target")
def jobs_replaced(context: Context) -> Action:
    return beside.replacing_in_turn(context)


@then("the target has as many containers as the failed release, on the pinned digests")
def as_many_on_digest(context: Context) -> Check:
    return beside.as_many_on_digest(context)


@then("every container of the target is healthy")
def target_healthy(context: Context) -> Check:
    return beside.health_of_target(context).check_healthy_now()


@then("every container of the target stays healthy")
def target_stays_healthy(context: Context) -> Check:
    return beside.staying_healthy(context)


@then("/healthz answers at every api container of the target")
def target_live(context: Context) -> Check:
    return beside.health_of_target(context).check_live()


@then("/readyz answers at every api container of the target")
def target_ready(context: Context) -> Check:
    return strategy.ready(context, beside.health_of_target(context))


@when("traffic is held")
def traffic_held(context: Context) -> Action:
    return beside.holding(context)


@when("the failed api containers are taken out of service")
def failed_taken_out(context: Context) -> Action:
    return beside.taking_out(context)


@when("the failed api containers are removed")
def failed_removed(context: Context) -> Action:
    return beside.removing_failed(context)


@when("held traffic is released to the target")
def held_traffic_released(context: Context) -> Action:
    return beside.releasing(context)


@given("every container of the failed release still serves")
def failed_still_there(context: Context) -> Check:
    return abandoning.failed_still_there(context)


@when("IMAGE_TAG in the env file is set back to the failed release")
def env_file_names_failed(context: Context) -> Action:
    return abandoning.naming_failed(context)


@when("the containers of the target are removed")
def target_taken_away(context: Context) -> Action:
    return abandoning.removing_target(context)


@when("jobs are stopped, and brought up on the failed release")
def failed_brought_up(context: Context) -> Action:
    return abandoning.bringing_failed_up(context)


@when("held traffic is released to the failed release")
def held_traffic_released_to_failed(context: Context) -> Action:
    return context.gate.resume()


@then("api and jobs run only the failed release")
def only_failed_left(context: Context) -> Check:
    return abandoning.only_failed_left(context)


@when("the abandoned switch is documented in the incident log")
def abandoned_documented(context: Context) -> Action:
    return applied.documenting_abandoned(context)


@when("the abandoned switch is announced in the incident channel")
def abandoned_announced(context: Context) -> Action:
    return telling.announcing_abandoned(context)
