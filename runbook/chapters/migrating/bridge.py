"""A bridge built and removed in production: one transaction each, checked in the catalog."""

from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from runbook.actions import Action, ActionName, Artifact, Check, Observation
from runbook.chapters.context import Context
from runbook.chapters.migrating import half_way
from runbook.chapters.migrating.schema_revisions import unchecked
from runbook.clock import utc_now
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.incident.schema_facts import Bridge, Relaxed, Touched
from runbook.migrations.catalog import whole_catalog_of
from runbook.text import counted

_NONE = "there is no bridge"
_COUNTING = "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s';"
_MOST = 1000  # rows are counted up to this
#: Kinds of entries whose unchanged definition the database may word differently.
_IN_WORDS = ("constraint", "default", "index", "trigger")


class State(StrEnum):
    """The state of a bridge in the catalog."""

    WITHOUT = "the schema is as it was without the bridge"
    BUILT = "the schema is relaxed as it was on the copy"
    OTHERWISE = "the schema is neither as it was without the bridge nor as it was on the copy with it"


def state_of(context: Context, bridge: Bridge) -> State:
    """Return the state of a bridge in production's catalog. Raises Inconclusive when it cannot be read."""
    now = {(row[0], row[1]): row[2] for row in whole_catalog_of(context.database)}
    if all(_is(each, each.built, now.get((each.kind, each.name))) for each in bridge.touched):
        return State.BUILT
    if all(_is(each, each.without, now.get((each.kind, each.name))) for each in bridge.touched):
        return State.WITHOUT
    return State.OTHERWISE


def _is(touched: Touched, told: str | None, seen: str | None) -> bool:
    if told is None or seen is None or touched.kind in _IN_WORDS:
        return (told is None) == (seen is None)
    return told == seen


def tried(context: Context) -> Check:
    """Check that the bridge was tried on a copy of the schema as it is now, or that it is built already."""
    bridge = _proposed(context)

    def observe() -> Observation:
        state = state_of(context, bridge)
        told = "; ".join(bridge.told)
        return Observation(state is not State.OTHERWISE, f"{told}: tried on a copy, both ways; now {state}", final=True)

    return Check(
        "a bridge that was tried on a copy of this schema",
        observe,
        "the schema has changed meanwhile: plan again",
        acceptable=False,
    )


def noting(context: Context) -> Action:
    """Record the bridge on the production host before any change of the schema.

    Raises Inconclusive when another bridge is recorded there.
    """
    bridge, incident, note = _proposed(context), context.incident, context.bridge_note
    content = {
        "incident": incident.name,
        "since": utc_now(),
        "target": incident.facts.target_tag,
        "because": context.options.because or "",
        "bridge": bridge.model_dump(mode="json"),
    }

    def already() -> str | None:
        found = note.read()
        return f"{note.path} has recorded it since {found['since']}" if found and bridge_in(found) == bridge else None

    if (other := note.read()) and bridge_in(other) != bridge:
        raise Inconclusive(
            f"another bridge exists since {other['since']} (incident {other['incident']})",
            "remove it first, with a forward-fix: --forward-fix TAG",
        )
    return Action(
        ActionName.NOTE_BRIDGE,
        "the bridge is recorded on the production host",
        note.write_commands(content),
        already,
        leaves=(Artifact(note.path, "the note of the bridge, with the SQL that removes it"),),
        resource=note.path,
    )


def building(context: Context) -> Action:
    """Relax the schema, in one transaction with the settings' time limits for locks and statements."""
    bridge = _proposed(context)

    def already() -> str | None:
        state = state_of(context, bridge)
        return str(state) if state is State.BUILT else None

    summary = f"the schema is relaxed for {context.incident.facts.target_tag}, in one transaction"
    return Action(
        ActionName.BUILD_BRIDGE, summary, (_transaction(context, bridge.up),), already,
        resource=context.database.server.name,
    )  # fmt: skip


def built(context: Context) -> Check:
    """Check that the catalog shows the bridge."""
    bridge = _proposed(context)

    def observe() -> Observation:
        state = state_of(context, bridge)
        return Observation(state is State.BUILT, str(state))

    helps = "compare the schema with the bridge in the record; the transaction was applied completely or not at all"
    return Check("the catalog as on the copy with the bridge", observe, helps, acceptable=False)


def removable(context: Context) -> Check:
    """Check that there is no bridge, or that the schema without it would refuse no row that was written meanwhile.

    Without a bridge, a migration begins from the current schema, which is recorded.
    """

    def observe() -> Observation:
        bridge = _standing(context)
        if bridge is None:
            half_way.note(context)
            return Observation(ok=True, seen=_NONE)
        if state_of(context, bridge) is State.WITHOUT:
            return Observation(ok=True, seen=str(State.WITHOUT))
        found = [(each, count) for each in bridge.relaxed if (count := _rows_against(context, each))]
        if found:
            told = "; ".join(f"undoing “{each.what}” would make {shown} invalid: {each.rows}" for each, shown in found)
            return Observation(ok=False, seen=told, final=True)
        return Observation(ok=True, seen="no row prevents the removal of the bridge")

    return Check(
        "a bridge that can be removed, or none",
        observe,
        "list those rows with the statements above and fix them, then type the same again",
        acceptable=False,
    )


def removing(context: Context) -> Action:
    """Remove the existing bridge, and then its note. Done already if there is none."""
    bridge, note, summary = _standing(context), context.bridge_note, "the bridge is removed, in one transaction"
    if bridge is None:
        return Action(ActionName.REMOVE_BRIDGE, summary, already=lambda: _NONE, resource=note.path)
    there = state_of(context, bridge) is not State.WITHOUT
    undone: tuple[Command, ...] = (_transaction(context, bridge.down),) if there else ()
    return Action(
        ActionName.REMOVE_BRIDGE, summary, (*undone, note.remove_command()),
        lambda: None if _standing(context) else _NONE, removes=(note.path,), resource=note.path,
    )  # fmt: skip


def bridge_in(note: dict[str, Any]) -> Bridge:
    """Return the bridge in a note. Raises Inconclusive when it is not valid."""
    try:
        return Bridge.model_validate(note["bridge"])
    except ValidationError as error:
        raise Inconclusive(
            f"the note of the bridge cannot be read: {error.error_count()} of its members are invalid",
            "look at .runbook/bridge.json on the production host",
        ) from None


def _standing(context: Context) -> Bridge | None:
    if unchecked(context) or context.settings.database is None:
        return None
    note = context.bridge_note.read()
    return bridge_in(note) if note else None


def _proposed(context: Context) -> Bridge:
    bridge = context.incident.facts.bridge
    if bridge is None:
        raise Inconclusive("no bridge is on record in this incident", "run chapter 1: `pytest features`")
    return bridge


def _rows_against(context: Context, relaxed: Relaxed) -> str:
    """Return, in words, how many rows prevent a relaxation from being undone; empty if none do."""
    if not relaxed.rows:
        return ""
    query = f"{_COUNTING} SELECT count(*) FROM (SELECT 1 FROM ({relaxed.rows}) found LIMIT {_MOST}) few"  # noqa: S608 - PostgreSQL wrote it
    count = int(context.database.ask(query, deadline=15)[0][0])
    if not count:
        return ""
    return f"{'at least ' if count == _MOST else ''}{counted(count, 'row')}"


def _transaction(context: Context, statements: tuple[str, ...]) -> Command:
    database = context.settings.database
    if database is None:
        raise Inconclusive("no database is named", "add [database] to the settings")
    limits = (
        f"SET LOCAL lock_timeout = '{database.lock_timeout:g}s'",
        f"SET LOCAL statement_timeout = '{database.statement_timeout:g}s'",
    )
    words = [word for sql in (*limits, *statements) for word in ("--command", sql)]
    return context.database.server.command(
        "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--quiet", "--single-transaction", *words,
        deadline=context.settings.deadlines.migrate,
    )  # fmt: skip
