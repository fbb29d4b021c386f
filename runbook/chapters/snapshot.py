"""The state of production at one moment, for the record and for comparison."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from runbook.chapters.context import Context
from runbook.chapters.migrating.schema_revisions import revisions, unchecked
from runbook.clock import utc_now
from runbook.errors import Inconclusive, RunbookError
from runbook.incident.production_facts import ContainerFact, PublicAnswer, Snapshot, SwitchPosition, Unknown
from runbook.production.containers import Container
from runbook.production.service.kill_switches import position_of
from runbook.production.service.traffic import PublicAnswer as AnswerSeen
from runbook.release import LOCAL, ImageName
from runbook.settings.application import SwitchSettings

_T = TypeVar("_T")
#: The value of a variable that the env file does not set.
NOT_SET = "(not set)"


def take(context: Context) -> Snapshot:
    """Read everything that a rollback may change or must not change.

    What cannot be read is Unknown, because production may be broken. Raises ProductionError when the project is not
    running.
    """
    containers = context.production.running()
    # In the order of the listing, whatever their state, so that a plan and its execution make the same requests.
    ours = [each for each in containers if each.service in context.production.rolled_back]
    images = {each.id: _image(context, each) for each in ours}
    variables = [context.settings.project.tag_variable, *(s.variable for s in context.settings.switches.values())]
    env_file = context.env_file.read()
    (gate, public), schema, readiness, log_errors = context.incident.ahead.at_once(
        lambda: _traffic(context),
        lambda: _or_unknown(lambda: _schema(context)),
        lambda: _or_unknown(context.health.readiness),
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
    """Return the schema's revisions. Raises Inconclusive when migrations are not checked."""
    if absent := unchecked(context):
        raise Inconclusive(absent.seen, absent.follows)
    return revisions(context)


def _value_of(context: Context, switch: SwitchSettings, copy: str | None) -> str:
    """Return a switch's value from the env file, or else from its store; words in parentheses if it cannot be shown."""
    if copy or switch.store is None:
        return copy or NOT_SET
    try:
        value = context.stores.read(switch.store).get_secret_value()
    except RunbookError:
        return "(unknown)"
    return value if value in (switch.on, switch.off) else "(another value)"


def _that_count(containers: Sequence[Container]) -> list[Container]:
    """Return one container of each service: a running one, if old and new ones exist side by side."""
    found: dict[str, Container] = {}
    for each in containers:
        if each.service not in found or each.state == "running":
            found[each.service] = each
    return list(found.values())


def _traffic(context: Context) -> tuple[str | Unknown, AnswerSeen]:
    """Return the gate's reported state, and the public URL's answer, read in the light of that state."""
    gate = _or_unknown(context.gate.state)
    return gate, context.gate.public_answer(held=gate == "held")


def _or_unknown(observe: Callable[[], _T]) -> _T | Unknown:
    try:
        return observe()
    except RunbookError as error:
        return Unknown.of(error)


def _image(context: Context, container: Container) -> dict[str, str]:
    """Return the tag and registry digest of a container's image; its id if it has no digest (built locally, say)."""
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
