"""An abandoned switch beside: the target's containers are removed, and the failed release keeps running."""

from dataclasses import replace

from runbook.actions import Action, ActionName, Check, Observation
from runbook.chapters.configuration.restored import kept_env_file
from runbook.chapters.context import Context
from runbook.chapters.roll_back_application import numbers_before
from runbook.chapters.switching.beside import pair_of, switchover_of
from runbook.chapters.target import pinned_release
from runbook.production.containers import Container
from runbook.production.docker_engine import FOLDER
from runbook.production.switchover.decision import SwitchMode
from runbook.text import counted

_GO_ON = "continue to the target instead: the same command without --abandon"


def failed_still_there(context: Context) -> Check:
    """Check that the incident switches beside, and that every container of the failed release still runs."""

    def observe() -> Observation:
        switch = context.incident.facts.switchover
        if switch is None or switch.mode is not SwitchMode.BESIDE:
            return Observation(ok=False, seen="this incident does not switch beside: there is nothing to abandon")
        failed = pair_of(context).failed
        gone = [
            f"{name} had {counted(number, 'container')}, {there} left"
            for name, number in switch.numbers.items()
            if (there := sum(each.service == name for each in failed)) != number
        ]
        down = [each.one_line for each in failed if each.state != "running"]
        return Observation(not (gone or down), "; ".join(gone + down or [each.one_line for each in failed]), final=True)

    return Check("all containers of the failed release running", observe, _GO_ON, acceptable=False)


def naming_failed(context: Context) -> Action:
    """Set the failed release's tag in the env file again, byte for byte as before if nobody changed the file since."""
    variable, tag = context.settings.project.tag_variable, _failed_tag(context)
    target, now, kept = pinned_release(context).tag, context.env_file.read(), kept_env_file(context)
    content = context.env_file.with_value(now, variable, tag)
    if context.production.existing([kept]):
        copy = context.env_file.at(kept)
        before = copy.read()
        content = before.content if copy.with_value(before, variable, target) == now.content else content
    replaced = f"{context.production.directory}/{FOLDER}/{context.incident.name}.abandoned.env"

    def already() -> str | None:
        found = context.env_file.read()
        return f"{found.path} says {variable}={tag}" if found.values.get(variable) == tag else None

    return Action(
        ActionName.RESTORE_IMAGE_TAG,
        f"{now.path} says {variable}={tag} again",
        context.env_file.replace_commands(now, content, replaced) if content != now.content else (),
        already,
        resource=now.path,
        variable=variable,
        old=now.values.get(variable),
        new=tag,
    )


def removing_target(context: Context) -> Action:
    """Stop and remove the target's containers that were started beside the failed release's."""
    pair, tag = pair_of(context), pinned_release(context).tag
    commands = pair.remove_target_commands(context.settings.deadlines.healthy)

    def already() -> str | None:
        return None if commands else f"no container of {tag} runs beside the failed release"

    names = ", ".join(pair.numbers)
    return Action(
        ActionName.REMOVE_TARGET,
        f"the containers of {names} that were started on {tag} are stopped and removed",
        commands,
        already,
        resource=names,
    )


def bringing_failed_up(context: Context) -> Action:
    """Stop the target's other services, and bring up the failed release's again."""
    production, tag = context.production, _failed_tag(context)
    services = switchover_of(context).in_turn
    names = ", ".join(services)
    ups = production.switch_commands(services, numbers_before(context), anew=production.has_temporary_name(services))
    stop = production.compose("stop", *services, deadline=context.settings.deadlines.healthy)

    def already() -> str | None:
        containers = production.of_services(services)
        if not all(_is_on(context, each, tag) for each in containers) or production.dry_run(ups[0]).differences:
            return None
        return f"{', '.join(each.name for each in containers)} already run {tag}"

    action = Action(ActionName.BRING_UP, f"{names} are brought up on {tag} again", (stop, *ups), already)
    if not services:
        return replace(action, commands=(), already=lambda: "all services were started beside the failed release")
    return replace(action, resource=names, new=tag)


def only_failed_left(context: Context) -> Check:
    """Check that api and jobs run only the failed release, in as many containers as before."""
    tag, pair = _failed_tag(context), pair_of(context)
    others = switchover_of(context).in_turn

    def observe() -> Observation:
        ours = context.production.of_services((*pair.numbers, *others))
        wrong = [f"{each.one_line}, on {each.image_name}" for each in ours if not _is_on(context, each, tag)]
        for name, number in pair.numbers.items():
            there = sum(each.service == name for each in ours)
            wrong += [f"{name} has {counted(there, 'container')}, but had {number}"] if there != number else []
        return Observation(not wrong, "; ".join(wrong) or "; ".join(each.one_line for each in ours))

    return Check(f"only {tag} running, as before", observe, "type the same again: finished changes are not repeated")


def _is_on(context: Context, container: Container, tag: str) -> bool:
    # The failed release's jobs may be in a crash loop, as before.
    return context.production.tag_of(container) == tag and container.state in ("running", "restarting")


def _failed_tag(context: Context) -> str:
    return context.incident.facts.seen_before.env_file[context.settings.project.tag_variable]
