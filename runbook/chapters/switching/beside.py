"""The switch beside: the target starts and proves itself beside the failed release, then replaces it."""

from dataclasses import replace

from runbook.actions import Action, ActionName, Check, Observation
from runbook.chapters.context import Context
from runbook.chapters.roll_back_application import bringing_up
from runbook.chapters.switching import traffic
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive
from runbook.incident.production_facts import Switchover
from runbook.production.service.health import Health
from runbook.production.switchover.decision import Meanwhile
from runbook.production.switchover.pair import Pair


def pair_of(context: Context) -> Pair:
    """Return the two releases side by side. Raises Inconclusive when no switch mode is on record."""
    return Pair(context.production, pinned_release(context), switchover_of(context).numbers)


def switchover_of(context: Context) -> Switchover:
    """Return the switch that was decided. Raises Inconclusive when none is on record."""
    found = context.incident.facts.switchover
    if found is None:
        raise Inconclusive("no switch mode is on record in this incident", "run chapter 1: `pytest features`")
    return found


def starting(context: Context) -> Action:
    """Start the target's containers, and leave those of the failed release as they are."""
    pair, tag = pair_of(context), pinned_release(context).tag
    names = ", ".join(pair.numbers)

    def already() -> str | None:
        return f"{', '.join(each.name for each in pair.target)} run {tag}" if pair.is_up else None

    summary = f"{names} of {tag} started beside the failed release"
    command = pair.up_command(context.settings.deadlines.up)
    return Action(ActionName.START_BESIDE, summary, (command,), already, resource=names, new=tag)


def replacing_in_turn(context: Context) -> Action:
    """Stop the failed release's other services, then start the target's."""
    services, release = switchover_of(context).in_turn, pinned_release(context)
    if not services:
        summary = "all services are started beside the failed release"
        return Action(ActionName.BRING_UP, summary, already=lambda: summary)
    up = bringing_up(context, release, services)
    stop = context.production.compose("stop", *services, deadline=context.settings.deadlines.healthy)
    return replace(up, commands=(stop, *up.commands))


def as_many_on_digest(context: Context) -> Check:
    """Check that the target has as many containers as the failed release had, all on the pinned digests."""
    pair, release = pair_of(context), pinned_release(context)
    others = switchover_of(context).in_turn

    def observe() -> Observation:
        target = [*pair.target, *(each for each in context.production.containers() if each.service in others)]
        wanted = {name: context.production.image_id(release.pinned(name)) for name in (*pair.numbers, *others)}
        wrong = [f"{each.name} runs {each.image_name}" for each in target if each.image_id != wanted[each.service]]
        for name, number in pair.numbers.items():
            there = sum(each.service == name for each in target)
            wrong += [f"{name} has {there} containers of {release.tag}, but had {number}"] if there != number else []
        return Observation(
            not wrong, "; ".join(wrong) or ", ".join(f"{each.name} runs {release.tag}" for each in target)
        )

    return Check(
        f"as many containers of {release.tag} as the failed release had, on the pinned digests",
        observe,
        "somebody moved the tag or brought up another release: find out who else deploys",
        acceptable=False,
        vouchable=False,
    )


def health_of_target(context: Context) -> Health:
    """Return the health of only the target's containers, including the services that were replaced in turn."""
    pair, others = pair_of(context), switchover_of(context).in_turn
    return context.health.of(lambda each: each.service in others or pair.is_target(each))


def staying_healthy(context: Context) -> Check:
    """Check that the target's containers stay healthy long enough, counted from when they were first seen healthy.

    Traffic is open by then: waiting for this beside a failing release would prolong the outage.
    """
    return health_of_target(context).check_containers_healthy("users are affected: traffic is open")


def holding(context: Context) -> Action:
    """Hold requests, or refuse them if the gate cannot hold; done already once no failed container serves.

    If the gateway itself avoids stopping containers, traffic keeps flowing.
    """
    pair, meanwhile = pair_of(context), switchover_of(context).meanwhile
    if meanwhile is Meanwhile.FLOWING:
        summary = "the gateway itself stops using stopped containers: traffic keeps flowing"
        return Action(ActionName.HOLD_TRAFFIC, summary, already=lambda: summary, resource="traffic gate")
    change = context.gate.hold() if meanwhile is Meanwhile.HELD else context.gate.pause()
    known = change.already

    def already() -> str | None:
        return known() or (None if pair.serving else "no container of the failed release is running")

    return replace(change, already=already)


def releasing(context: Context) -> Action:
    """Resume traffic if it was held or paused."""
    if switchover_of(context).meanwhile is Meanwhile.FLOWING:
        summary = "traffic was never held"
        return Action(ActionName.RESUME_TRAFFIC, summary, already=lambda: summary, resource="traffic gate")
    return traffic.resuming(context)


def taking_out(context: Context) -> Action:
    """Stop the failed containers. Requests are held only for this."""
    pair = pair_of(context)
    commands = pair.stop_commands(context.settings.deadlines.healthy)

    def already() -> str | None:
        return None if commands else "no container of the failed release is running"

    names = ", ".join(pair.numbers)
    summary = f"the failed containers of {names} are stopped"
    return Action(ActionName.TAKE_OUT_FAILED, summary, commands, already, resource=names)


def removing_failed(context: Context) -> Action:
    """Remove the failed containers, and give their names to the target's."""
    pair = pair_of(context)
    commands = pair.remove_commands(context.incident.facts.seen_before.containers)

    def already() -> str | None:
        return None if commands else "no container of the failed release is left"

    names = ", ".join(pair.numbers)
    summary = f"the failed containers of {names} are removed, and the target's containers take their names"
    return Action(ActionName.REMOVE_FAILED, summary, commands, already, resource=names)
