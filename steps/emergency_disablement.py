"""Chapter 4: a switch is turned, seen inside the container, and felt by users."""

from pytest_bdd import given, then, when

from runbook.actions import changes
from runbook.chapters import emergency_disablement
from runbook.chapters.context import Context


@given("the env file sets the switch")
def env_file_sets_switch(tools: Context) -> None:
    tools.incident.verify(tools.switch.set_in_env_file())


@given("the switch reaches the containers of its services")
def switch_reaches_containers(tools: Context) -> None:
    tools.incident.verify(tools.switch.reaching())


@given("the answers to users can show the switch")
def answers_show_switch(tools: Context) -> None:
    tools.incident.verify(tools.switch.askable())


@when("the switch is turned in the env file")
@changes
def switch_turned(tools: Context) -> None:
    tools.incident.execute(tools.switch.turning(tools.incident.name), tools.host)


@when("the services of the switch are redeployed on the release that runs now")
@changes
def redeployed(tools: Context) -> None:
    tools.incident.execute(emergency_disablement.redeploying(tools), tools.host)


@then("the services of the switch run the images that they ran before")
def same_images(tools: Context) -> None:
    tools.incident.expect(emergency_disablement.same_images(tools))


@then("the switch is seen inside their containers")
def seen_inside(tools: Context) -> None:
    tools.incident.expect(tools.switch.seen_inside())


@then("users without credentials feel the switch")
def felt_without(tools: Context) -> None:
    tools.incident.expect(tools.switch.felt_by_users(with_credentials=False))


@then("users with credentials feel the switch")
def felt_with(tools: Context) -> None:
    tools.incident.expect(tools.switch.felt_by_users(with_credentials=True))


@then("the rest of the application answers users")
def rest_answers(tools: Context) -> None:
    tools.incident.expect(tools.gate.answering())


@then("the services without the switch kept their containers")
def others_kept(tools: Context) -> None:
    tools.incident.expect(emergency_disablement.others_kept(tools))
