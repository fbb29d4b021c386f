"""Chapter 5: what runs is validated, becomes known good, and people are told."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import post_rollback_validation, target
from runbook.chapters.checks import final_check
from runbook.chapters.context import Context


@then("the running release is not in quarantine")
def not_in_quarantine(tools: Context) -> None:
    tools.incident.expect(tools.known_good.not_quarantined(target.expected_release(tools).digests))


@then("the public address serves the running release")
def serves_running(tools: Context) -> None:
    tools.incident.expect(tools.gate.serving(target.expected_release(tools).tag))


@then("metrics are scraped with the token")
def metrics_scraped(tools: Context) -> None:
    tools.incident.expect(tools.metrics.scraped_with_token())


@then("metrics are refused without the token")
def metrics_refused(tools: Context) -> None:
    tools.incident.expect(tools.metrics.refused_without_token())


@then("recent logs show no new errors")
def logs_clean(tools: Context) -> None:
    tools.incident.expect(tools.logs.no_new_errors(tools.incident.errors_before()))


@given("the running release on its registry digests")
def running_release(tools: Context) -> None:
    post_rollback_validation.note_running(tools)


@when("the running release is entered in the ledger")
@changes
def entered_in_ledger(tools: Context) -> None:
    tools.incident.execute(post_rollback_validation.entering_in_ledger(tools), tools.host)


@then("the ledger names the running release")
def ledger_names_it(tools: Context) -> None:
    tools.incident.expect(tools.known_good.entered(tools.incident.facts["running"]["tag"], tools.incident.name))


@given("production after the rollback is on record")
def after_on_record(tools: Context) -> None:
    # Not verify, as a Given has elsewhere: behind the planned changes there is no production afterwards to look at.
    tools.incident.expect(post_rollback_validation.written_down_after(tools))


@given("production runs the target as its files say, and serves users")
def as_it_was_to_be(tools: Context) -> None:
    tools.incident.expect(final_check.as_it_was_to_be(tools))


@when("the rollback is announced in the incident channel")
@changes
def announced(tools: Context) -> None:
    tools.incident.execute(post_rollback_validation.announcing(tools), tools.host)


@when("a ticket for the forward-fix is opened")
@changes
def ticket_opened(tools: Context) -> None:
    tools.incident.execute(post_rollback_validation.opening_ticket(tools), tools.host)


@when("the rollback is closed on the production host")
@changes
def closed(tools: Context) -> None:
    tools.incident.execute(tools.open_incident.closing(), tools.host)


@then("no rollback is under way on the production host")
def not_under_way(tools: Context) -> None:
    tools.incident.expect(tools.open_incident.closed())


@then("the ticket can be found in the tracker")
def ticket_found(tools: Context) -> None:
    tools.incident.expect(tools.tracker.listed(tools.incident.name))
