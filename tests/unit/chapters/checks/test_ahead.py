"""Looks ahead in chapter 1: several at the same time, and none once a change was begun."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.actions import Check, Observation
from runbook.chapters import migration_facts
from runbook.chapters.checks import ahead, compose_files
from runbook.chapters.configuration import drift
from runbook.chapters.context import Context
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.migrating import schema_revisions
from runbook.errors import Inconclusive
from runbook.incident.executor import Mode
from runbook.incident.facts import Strategy
from runbook.incident.options import Options
from runbook.incident.production_facts import ReleaseFact
from runbook.settings.database import MigrationSettings
from tests.support.incident_parts import incident

OWN = Check("the step's own look", lambda: Observation(ok=True, seen=""), "")


def check(name: str, look: Callable[[], object]) -> Check:
    def observe() -> Observation:
        look()
        return Observation(ok=True, seen=name)

    return Check(name, observe, "")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A production where each look waits until all looks begun with it run too."""
    found = incident(tmp_path)
    found.facts.target = ReleaseFact(tag="v1")
    at_gate, of_target = threading.Barrier(3), threading.Barrier(7)

    def waiting(name: str) -> Callable[..., str]:
        return lambda *_: f"{name} {of_target.wait(20) * 0}"

    monkeypatch.setattr(drift, "look", waiting("drift"))
    monkeypatch.setattr(compose_files, "what_follows", waiting("follows"))
    monkeypatch.setattr(compose_files, "switchable", lambda *_: check("switchable", lambda: of_target.wait(20)))
    monkeypatch.setattr(schema_revisions, "revisions", waiting("revisions"))
    monkeypatch.setattr(SchemaCopy, "begin", lambda _copy, expected: waiting(f"copy, not {expected}")())
    read = {migration_facts.read_target: waiting("target"), migration_facts.read_failed: waiting("failed")}
    monkeypatch.setattr(migration_facts, "images_ahead", lambda *_: read)
    gate = SimpleNamespace(
        check_consistent=lambda _: check("agree", lambda: at_gate.wait(20)),
        check_commands=lambda: check("commands", lambda: at_gate.wait(20)),
    )
    health = SimpleNamespace(is_ready=bool, check_requests_fit=lambda: check("fit", lambda: at_gate.wait(20)))
    settings = SimpleNamespace(migrations=MigrationSettings(), database=True)
    return SimpleNamespace(
        incident=found, gate=gate, health=health, settings=settings, options=Options(), of_target=of_target,
        ledger=SimpleNamespace(schema=lambda _release: ("r1",)), at_end=ExitStack(),
    )  # fmt: skip


def taken(context: Any, name: object) -> Any:
    """Return the result of the look `name`; None if it was not begun ahead."""
    return context.incident.ahead.found(name, lambda: None)


def test_gate_and_health_at_the_same_time(context: Any) -> None:
    """The looks at gate and health run in parallel; the step that begins them still makes its own check."""
    assert ahead.gate_and_health(context, OWN) is OWN
    assert [taken(context, name).seen.seen for name in ("agree", "commands", "fit")] == ["agree", "commands", "fit"]


@pytest.mark.parametrize(
    ("mode", "announcement", "opened"),
    [(Mode.PLAN, True, "open"), (Mode.PLAN, None, None), (Mode.EXECUTE, True, None)],
)
def test_channel_of_a_plan_is_opened_ahead(context: Any, mode: Mode, announcement: object, opened: object) -> None:
    """Only a plan with an announcement opens the channel ahead, because it loads slowly."""
    context.incident.mode, context.settings.announcement = mode, announcement
    context.new_channel = lambda: "open"
    ahead.gate_and_health(context, OWN)
    assert taken(context, Context.channel) == opened


def test_files_and_schema_at_the_same_time(context: Any) -> None:
    """The looks at files, schema and images run in parallel; each result is found by the look's name."""
    assert ahead.files_and_schema(context, OWN) is OWN
    looks = (drift.look, compose_files.what_follows, schema_revisions.revisions)
    assert [taken(context, look) for look in looks] == ["drift 0", "follows 0", "revisions 0"]
    evidence = (migration_facts.read_target, migration_facts.read_failed, SchemaCopy)
    assert [taken(context, look) for look in evidence] == ["target 0", "failed 0", "copy, not ('r1',) 0"]
    assert taken(context, "switchable").seen.ok


def test_what_another_decision_comes_before_is_not_looked_at_ahead(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look is not begun ahead if it needs the configuration decision or runs the application's own command."""
    context.options = Options(with_configuration=True)
    context.settings.migrations = MigrationSettings.model_construct(tool="own")
    monkeypatch.setattr(drift, "look", lambda *_: "drift")
    ahead.files_and_schema(context, OWN)
    assert taken(context, drift.look) == "drift"
    begun = ("switchable", compose_files.what_follows, schema_revisions.revisions)
    assert [taken(context, look) for look in begun] == [None] * 3


def test_nothing_is_looked_at_ahead_once_a_change_was_begun(context: Any) -> None:
    """After the first change, each look is made in its own step, because only the present state counts."""
    context.incident.changes_made.append("traffic is paused")
    assert ahead.gate_and_health(context, OWN) is ahead.files_and_schema(context, OWN) is OWN
    assert taken(context, "agree") is taken(context, drift.look) is None


@pytest.mark.parametrize(("mine", "begun"), [({"strategy": Strategy.DOWNGRADE}, 0), ({}, 3)])
def test_evidence_of_a_decision_that_was_made(context: Any, mine: dict[str, Any], begun: int) -> None:
    """Once the strategy is decided, no evidence for it is read again."""
    for name, value in mine.items():
        setattr(context.incident.facts, name, value)
    found = ahead._range(context, ReleaseFact(tag="v1").release())
    assert len(found) == begun


def test_target_that_the_ledger_does_not_know(context: Any) -> None:
    """If the ledger does not have the target's revisions, no copy of the schema is started ahead."""

    def unknown(_release: Any) -> tuple[str, ...]:
        raise Inconclusive("no line", "")

    context.ledger.schema = unknown
    assert SchemaCopy not in ahead._range(context, ReleaseFact(tag="v1").release())
