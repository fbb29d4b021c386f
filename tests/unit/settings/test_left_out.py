"""Every section except the project may be left out, alone or with all others, with a known consequence."""

from pathlib import Path

import pytest

from runbook.actions import ActionName
from runbook.production.service.gate_state import NO_GATE, By
from runbook.production.service.health import Health
from runbook.production.service.metrics import Metrics
from runbook.production.service.traffic import TrafficGate
from runbook.settings.absent import Absent
from runbook.settings.loading.loader import load
from runbook.settings.schema import Deadlines, Settings
from tests.support.parts import SETTINGS, asking, production

PARTS = ("registry", "database", "traffic", "metrics", "announcement", "ticket")
GATE = ("pause", "resume", "state")


def without(*parts: str) -> str:
    """Return the minimal settings without these sections. Without [traffic], [metrics] gets its own URL."""
    sections = SETTINGS.strip().split("\n\n")
    kept = "\n\n".join(each for each in sections if each.partition("]")[0].lstrip("[") not in parts)
    return kept.replace("[metrics]\n", '[metrics]\nurl = "https://shop.example/m"\n') if "traffic" in parts else kept


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "runbook.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_may_be_left_out_alone(tmp_path: Path, part: str) -> None:
    """A section that is left out is None, and no other section is."""
    settings = loaded(tmp_path, without(part))
    assert [name for name in PARTS if getattr(settings, name) is None] == [part]
    assert settings.secret_sources().keys() <= {"metrics token", "announcement address", "ticket token"}


def test_the_project_alone_is_enough(tmp_path: Path) -> None:
    """The project alone is enough, and no secret, URL or service is made up."""
    settings = loaded(tmp_path, without(*PARTS))
    assert [name for name in (*PARTS, "health", "incident_log") if getattr(settings, name)] == []
    assert settings.secret_sources() == {}
    assert settings.health_headers() == {}
    assert settings.unchecked_migrations is Absent.DATABASE


def test_services_are_those_of_the_project(tmp_path: Path) -> None:
    """Services that no setting names are the project's, not api and jobs."""
    named = without(*PARTS).replace('name = "shop"', 'name = "shop"\nservices = ["web"]')
    settings = loaded(tmp_path, f'{named}\n[health]\n[switches.x]\nvariable = "X"\npaths = ["/x"]\n')
    assert settings.health is not None
    services = (settings.health.service, settings.migrations.service, settings.api, *settings.logs.services)
    assert {*services, *settings.switches["x"].services} == {"web"}


def test_application_without_migrations_says_so(tmp_path: Path) -> None:
    """An application without migrations has that reason for unchecked migrations, even with a database."""
    settings = loaded(tmp_path, SETTINGS + '\n[migrations]\ntool = "none"\n')
    assert settings.unchecked_migrations is Absent.MIGRATIONS


def test_traffic_without_a_gate(tmp_path: Path) -> None:
    """With only a public URL, the URL is checked, and everything about the gate is not configured."""
    text = "\n".join(line for line in SETTINGS.splitlines() if not line.startswith(GATE))
    settings = loaded(tmp_path, text)
    assert settings.traffic is not None
    assert settings.traffic.gate is None
    with asking() as http:
        gate = TrafficGate(production(tmp_path), http, settings.traffic, 1)
        assert gate.check_serves("v1").not_configured is None
        for each in (gate.pause(), gate.resume(), gate.check_open(), gate.check_traffic_paused(held=False)):
            assert each.not_configured is Absent.GATE
        assert gate.check_commands().not_configured is Absent.GATE
        assert gate.pause().name is ActionName.PAUSE_TRAFFIC
        assert (gate.pause().commands, gate.state()) == ((), NO_GATE)


def test_nothing_is_asked_where_nothing_is_named(tmp_path: Path) -> None:
    """Each check names the part that is not configured, and does not pass."""
    with asking() as http:
        gate = TrafficGate(production(tmp_path), http, None, 1)
        health = Health(production(tmp_path), http, None, {}, Deadlines())
        metrics = Metrics(http, None, None, 1)
        about = {
            Absent.PUBLIC_ADDRESS: (gate.check_serves("v1"), gate.check_answers(), gate.check_consistent(lambda: True)),
            Absent.GATE: (gate.check_commands(), gate.check_paused(held=True)),
            Absent.HEALTH: (health.check_live(), health.check_ready(), health.check_requests_fit()),
            Absent.METRICS: (metrics.check_with_token(), metrics.check_without_token()),
        }
        for absent, checks in about.items():
            for check in checks:
                assert check.not_configured is absent
                assert not check.observe().ok
        assert gate.public_answer().by is By.NOBODY


def test_metrics_without_a_token(tmp_path: Path) -> None:
    """Without a token metrics are read, and the check for a refusal without it is not configured."""
    settings = loaded(tmp_path, SETTINGS.replace('token = { env = "METRICS_TOKEN" }', ""))
    assert settings.metrics is not None
    assert settings.metrics.token is None
    with asking() as http:
        metrics = Metrics(http, "http://127.0.0.1:1/metrics", None, 1)
        assert metrics.check_with_token().not_configured is None
        assert metrics.check_without_token().not_configured is Absent.METRICS_TOKEN
