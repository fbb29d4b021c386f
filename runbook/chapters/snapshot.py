"""What production is at one moment, for the record and for the comparison afterwards."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from runbook.chapters.context import Context
from runbook.chapters.migrating.schema_revisions import revisions, unchecked
from runbook.clock import utc_now
from runbook.errors import Inconclusive, RunbookError
from runbook.incident.facts import ContainerFact, PublicAnswer, Snapshot, SwitchPosition, Unknown
from runbook.production.containers import Container
from runbook.production.service.kill_switches import position_of
from runbook.release import LOCAL, ImageName
from runbook.settings.application import SwitchSettings

_T = TypeVar("_T")
#: What stands in the place of a variable that the env file does not set.
NOT_SET = "(not set)"


def take(context: Context) -> Snapshot:
    """Look at everything that a rollback may change, or must not.

    What cannot be looked at is Unknown; a broken production is what one comes to see.
    Raises ProductionError when the project is not there at all.
    """
    containers = context.production.running()
    # In the order in which they are listed, whatever state they are in: a plan and its execution ask the same.
    ours = [each for each in containers if each.service in context.production.rolled_back]
    images = {each.id: _image(context, each) for each in ours}
    variables = [context.settings.project.tag_variable, *(s.variable for s in context.settings.switches.values())]
    env_file = context.env_file.read()
    public, schema, readiness, gate, log_errors = context.incident.ahead.at_once(
        context.gate.public_answer,
        lambda: _or_unknown(lambda: _schema(context)),
        lambda: _or_unknown(context.health.readiness),
        lambda: _or_unknown(context.gate.state),
        lambda: _or_unknown(lambda: dict(context.logs.recent().counts)),
    )
    return Snapshot(
        at=utc_now(),
        containers=tuple(ContainerFact(**(each.facts() | images.get(each.id, {}))) for each in containers),
        digests={each.service: images[each.id]["digest"] for each in _that_count(ours)},
        tags=tuple(sorted({image["tag"] for image in images.values()})),
        env_file={
            "path": env_file.path,
            "sha256": env_file.fingerprint,
            "mode": env_file.mode,
            "owner": f"{env_file.owner}:{env_file.group}",
            **{name: env_file.values.get(name, NOT_SET) for name in variables},
        },
        switches={
            name: SwitchPosition(
                **position_of(switch, _value_of(context, switch, env_file.values.get(switch.variable)))
            )
            for name, switch in context.settings.switches.items()
        },
        schema=schema,
        readiness=readiness,
        gate=gate,
        public=PublicAnswer(by=public.by, seen=public.seen),
        log_errors=log_errors,
    )


def _schema(context: Context) -> tuple[str, ...]:
    """Raises Inconclusive where no migrations are looked at."""
    if absent := unchecked(context):
        raise Inconclusive(absent.seen, absent.follows)
    return revisions(context)


def _value_of(context: Context, switch: SwitchSettings, copy: str | None) -> str:
    """What a switch says, from the env file or else from its store; words in brackets where that is neither value."""
    if copy or switch.store is None:
        return copy or NOT_SET
    try:
        value = context.stores.read(switch.store).get_secret_value()
    except RunbookError:
        return "(unknown)"
    return value if value in (switch.on, switch.off) else "(another value)"


def _that_count(containers: Sequence[Container]) -> list[Container]:
    """One container of each service: one that runs, where old and new ones stand side by side."""
    found: dict[str, Container] = {}
    for each in containers:
        if each.service not in found or each.state == "running":
            found[each.service] = each
    return list(found.values())


def _or_unknown(observe: Callable[[], _T]) -> _T | Unknown:
    try:
        return observe()
    except RunbookError as error:
        return Unknown.of(error)


def _image(context: Context, container: Container) -> dict[str, str]:
    """Tag and registry digest of a container's image; its id when the host has no digest (it was built there, say)."""
    digest = None
    try:
        name = ImageName.parse(container.image_name)
        digest = name.digest_among(context.production.digests_of(container.image_id))
    except RunbookError:
        pass
    return {
        "tag": context.production.tag_of(container),
        "digest": digest or f"{LOCAL}{container.image_id}",
    }
