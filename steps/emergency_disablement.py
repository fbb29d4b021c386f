"""Chapter 4: a switch is turned, seen inside the container, and felt by users."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import emergency_disablement
from runbook.chapters.context import Context


@given("the env file sets the switch")
def env_file_sets_switch(context: Context) -> None:
    context.incident.verify(context.switch.set_in_env_file())


@given("the switch reaches the containers of its services")
def switch_reaches_containers(context: Context) -> None:
    context.incident.verify(context.switch.reaching())


@given("the answers to users can show the switch")
def answers_show_switch(context: Context) -> None:
    context.incident.verify(context.switch.askable())


@when("the switch is turned in the env file")
@changes
def switch_turned(context: Context) -> None:
    context.incident.execute(context.switch.turning(context.incident.name), context.host)


@when("the services of the switch are redeployed on the release that runs now")
@changes
def redeployed(context: Context) -> None:
    context.incident.execute(emergency_disablement.redeploying(context), context.host)


@then("the services of the switch run the images that they ran before")
def same_images(context: Context) -> None:
    context.incident.expect(emergency_disablement.same_images(context))


@then("the switch is seen inside their containers")
def seen_inside(context: Context) -> None:
    context.incident.expect(context.switch.seen_inside())


@then("users without credentials feel the switch")
def felt_without(context: Context) -> None:
    context.incident.expect(context.switch.felt_by_users(with_credentials=False))


@then("users with credentials feel the switch")
def felt_with(context: Context) -> None:
    context.incident.expect(context.switch.felt_by_users(with_credentials=True))


@then("the rest of the application answers users")
def rest_answers(context: Context) -> None:
    context.incident.expect(context.gate.answering())


@then("the services without the switch kept their containers")
def others_kept(context: Context) -> None:
    context.incident.expect(emergency_disablement.others_kept(context))
