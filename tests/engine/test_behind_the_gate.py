"""The requests and commands behind the gate, tried on a real engine, gateway and api while nothing is closed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from runbook.actions import Check
from runbook.chapters.context import Context
from runbook.errors import CheckFailed, EngineError, RunbookError
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from runbook.incident.options import Options
from runbook.journal.journal import Journal
from runbook.production.compose import Production
from runbook.production.service.traffic import TrafficGate
from runbook.secrets.known import redactor_for
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from tests.engine.conftest import Rehearsed, docker


def settings_of(here: Rehearsed, section: str, **changed: Any) -> Settings:
    """Return the settings of the practice production, with some values of one section changed."""
    settings = load(here.practice.settings)
    part = getattr(settings, section)
    return settings.model_copy(update={section: type(part).model_validate(part.model_dump() | changed)})


Tools = Callable[[Settings], Context]


@pytest.fixture
def tools_for(tmp_path: Path) -> Iterator[Tools]:
    """Create the context of a plan. Its connections are closed afterwards."""
    made: list[Context] = []

    def make(settings: Settings) -> Context:
        incident = Executor("i-1", Mode.PLAN, Journal(tmp_path / "i" / "journal.jsonl", redactor_for(settings)))
        made.append(Context(settings, incident, Options()))
        return made[-1]

    (tmp_path / "i").mkdir()
    yield make
    for context in made:
        context.close()


def seen(context: Context, check: Check) -> str:
    """Return what a check saw. The check must pass."""
    context.incident.verify(check)
    return str(context.incident.journal.entries[-1]["seen"])


def test_practice_passes(rehearsed: Rehearsed, tools_for: Tools) -> None:
    """The practice production's settings fit: health requests, gate and switch."""
    context = tools_for(load(rehearsed.practice.settings))
    assert seen(context, context.health.check_requests_fit()).count("answers as required") == 2
    assert seen(context, context.gate.check_consistent(context.health.is_ready)).startswith("the gate says open; http")
    assert seen(context, context.gate.check_commands()).count("gate of gateway") == 3
    assert (
        seen(context, context.switch.check_reaches_containers())
        == "EXPORT_MODE reaches api: EXPORT_MODE; jobs: EXPORT_MODE"
    )
    assert "with credentials" in seen(context, context.switch.check_observable())
    # The switch is on and the plan would turn it off: inside it is on, and waiting does not change that.
    with pytest.raises(CheckFailed, match=r"seen: .*-api-\d+ sees EXPORT_MODE=on"):
        context.incident.verify(context.switch.check_inside_containers())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        pytest.param({"port": 9}, "health.port", id="port"),
        pytest.param({"scheme": "https"}, "health.scheme", id="tls"),
        pytest.param({"readiness_path": "/no-such"}, "HTTP 404", id="path"),
        pytest.param({"readiness_path": "/healthz"}, "health.required|JSON object", id="not-readiness"),
        pytest.param({"required": ["cache"]}, "health.required", id="another-part"),
    ],
)
def test_request_that_does_not_fit_is_told(
    rehearsed: Rehearsed, tools_for: Tools, changed: dict[str, Any], says: str
) -> None:
    """A request that would fail behind the closed gate is reported while the gate is open."""
    context = tools_for(settings_of(rehearsed, "health", **changed))
    with pytest.raises(CheckFailed, match=says):
        context.incident.verify(context.health.check_requests_fit())


def test_gate_that_contradicts_its_answers(rehearsed: Rehearsed, tools_for: Tools) -> None:
    """Two cases: the state command says closed while the api answers, and the gateway lacks the gate program."""
    liar = {"service": "gateway", "command": ["echo", "closed"]}
    lost = {"service": "gateway", "command": ["no-such-gate", "close"]}
    context = tools_for(settings_of(rehearsed, "traffic", state=liar, pause=lost))
    with pytest.raises(CheckFailed, match="contradiction: the gate says closed"):
        context.incident.verify(context.gate.check_consistent(context.health.is_ready))
    with pytest.raises(CheckFailed, match="no-such-gate is missing in gateway"):
        context.incident.verify(context.gate.check_commands())


@contextmanager
def paused(name: str) -> Iterator[None]:
    docker("pause", name)
    try:
        yield
    finally:
        docker("unpause", name)


def test_paused_container_is_not_waited_for(rehearsed: Rehearsed, tools_for: Tools) -> None:
    """A paused container fails at once, without waiting two minutes."""
    context = tools_for(load(rehearsed.practice.settings))
    began = monotonic()
    with paused(f"{rehearsed.practice.name}-jobs-1"), pytest.raises(CheckFailed, match="jobs-1 is paused"):
        context.incident.verify(context.health.check_containers_healthy())
    assert monotonic() - began < 15


def test_engine_that_nobody_reaches(rehearsed: Rehearsed, tools_for: Tools, tmp_path: Path) -> None:
    """The error is reported as what it is: not as a missing image, and not as a gate in a wrong state."""
    context = tools_for(load(rehearsed.practice.settings))
    host = LocalHost({"DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"}, context.incident)
    production = Production(host, context.settings.project, context.settings.deadlines)
    with pytest.raises(EngineError, match="could not reach a Docker engine"):
        production.image_id("shop/api:v1")
    with pytest.raises(EngineError, match="could not reach a Docker engine"):
        production.containers()
    gate = TrafficGate(production, context.http, context.settings.traffic, 1)
    with pytest.raises(RunbookError, match="could not reach a Docker engine"):
        gate.state()
