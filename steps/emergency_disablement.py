"""Chapter 4: a kill switch is turned, and checked inside the containers and at users' URLs."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import emergency_disablement
from runbook.chapters.context import Context
from runbook.chapters.people import telling


@given("EXPORT_MODE is set where production takes it from")
def switch_set(context: Context) -> Check:
    return emergency_disablement.set_in_place(context)


@given("EXPORT_MODE reaches the containers of its services")
def switch_reaches_containers(context: Context) -> Check:
    return context.switch.check_reaches_containers()


@given("the export and report endpoints can show EXPORT_MODE")
def answers_show_switch(context: Context) -> Check:
    return context.switch.check_observable()


@when("EXPORT_MODE is changed where production takes it from")
def switch_turned(context: Context) -> Action:
    return context.switch.set_in_place(context.incident.name)


@when("traffic is held if the gate can hold")
def held_meanwhile(context: Context) -> Action:
    return emergency_disablement.holding(context)


@when("held traffic is released")
def held_traffic_released(context: Context) -> Action:
    return emergency_disablement.resuming(context)


@when("its services are redeployed on the release that runs now")
def redeployed(context: Context) -> Action:
    return emergency_disablement.redeploying(context)


@then("its services run the same images as before")
def same_images(context: Context) -> Check:
    return emergency_disablement.same_images(context)


@then("EXPORT_MODE is changed inside their containers")
def seen_inside(context: Context) -> Check:
    return context.switch.check_inside_containers()


@then("export and report endpoints show EXPORT_MODE without credentials")
def endpoints_without_credentials(context: Context) -> Check:
    return context.switch.check_user_paths(with_credentials=False)


@then("export and report endpoints show EXPORT_MODE with credentials")
def endpoints_with_credentials(context: Context) -> Check:
    return context.switch.check_user_paths(with_credentials=True)


@then("the rest of the API answers")
def rest_answers(context: Context) -> Check:
    return context.gate.check_answers()


@then("no service without EXPORT_MODE was recreated")
def others_kept(context: Context) -> Check:
    return emergency_disablement.others_kept(context)


@when("the change of EXPORT_MODE is announced in the incident channel")
def announced(context: Context) -> Action:
    return telling.announcing_switch(context)
