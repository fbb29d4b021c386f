"""Chapter 5: the running release is validated and becomes known good, and people are informed."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import post_rollback_validation, target
from runbook.chapters.checks import final_check
from runbook.chapters.context import Context
from runbook.chapters.people import applied, telling


@then("the running release is not in quarantine")
def not_in_quarantine(context: Context) -> Check:
    return context.quarantine.check_not_quarantined(target.expected_release(context).digests)


@then("every api and jobs container stays healthy")
def stays_healthy(context: Context) -> Check:
    return post_rollback_validation.stays_healthy(context)


@then("the public address serves the running release")
def serves_running(context: Context) -> Check:
    return context.gate.check_serves(target.expected_release(context).tag)


@then("metrics are scraped with the bearer token")
def metrics_scraped(context: Context) -> Check:
    return context.metrics.check_with_token()


@then("metrics are refused without the bearer token")
def metrics_refused(context: Context) -> Check:
    return context.metrics.check_without_token()


@then("recent logs of api and jobs show no new errors")
def logs_clean(context: Context) -> Check:
    return context.logs.check_no_new_errors(context.incident.errors_before())


@given("the running release at its registry digests")
def running_release(context: Context) -> Check:
    return post_rollback_validation.note_running(context)


@when("the running release is added to the ledger")
def entered_in_ledger(context: Context) -> Action:
    return post_rollback_validation.entering_in_ledger(context)


@then("the ledger names the running release")
def ledger_names_it(context: Context) -> Check:
    return context.ledger.check_newest(post_rollback_validation.validated_release(context).tag, context.incident.name)


@given("the state of production after the rollback is on record")
def after_on_record(context: Context) -> Check:
    return post_rollback_validation.record_after(context)


@given("production runs the target and serves traffic")
def as_it_was_to_be(context: Context) -> Check:
    return final_check.as_it_was_to_be(context)


@when("rollback completion is announced in the incident channel")
def announced(context: Context) -> Action:
    return telling.announcing(context)


@when("a follow-up ticket for the forward-fix is created")
def ticket_opened(context: Context) -> Action:
    return applied.opening_ticket(context)


@when("the applied action is documented in the incident log")
def documented(context: Context) -> Action:
    return applied.documenting(context)


@when("the rollback is closed on the production host")
def closed(context: Context) -> Action:
    return context.open_rollback.close()


@then("no rollback is open on the production host")
def not_under_way(context: Context) -> Check:
    return context.open_rollback.check_closed()


@then("the follow-up ticket is found in the tracker")
def ticket_found(context: Context) -> Check:
    return applied.ticket_listed(context)
