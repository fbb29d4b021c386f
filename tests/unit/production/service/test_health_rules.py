"""Readiness by values, the container's health check or the status, and where health requests are sent."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.hosts.http import HttpResponse
from runbook.production.service.health import Health
from runbook.production.service.health_answers import Waiting, not_ready
from runbook.settings.absent import Absent
from runbook.settings.application import HealthSettings
from runbook.settings.loading.loader import load
from runbook.settings.schema import Deadlines
from tests.support.parts import Reply, asking, serving


def answer(body: str, status: int = 200) -> HttpResponse:
    return HttpResponse("http://api/health", status, {}, body, 0.01)


@pytest.mark.parametrize(
    ("body", "values", "against"),
    [
        ('{"status": "ok", "debug": false}', {"status": "ok"}, None),
        ('{"status": "down"}', {"status": "ok"}, 'status is "down", not "ok"'),
        ('{"checks": {"db": {"state": "up"}}}', {"checks.db.state": "up"}, None),
        ('{"checks": [{"ok": true}]}', {"checks.0.ok": True}, None),
        ('{"a.b": 1}', {"a.b": 1}, None),
        ('{"ready": 1}', {"ready": True}, "ready is 1, not true"),
        ('{"ready": true}', {"ready": 1}, "ready is true, not 1"),
        ('{"lag": 0.0}', {"lag": 0}, None),
        ("{}", {"status": "ok"}, 'status is missing, not "ok"'),
        ('["ok"]', {"status": "ok"}, "expected a JSON object"),
        ("ok", {"status": "ok"}, "expected a JSON object"),
    ],
)
def test_value_at_a_path(body: str, values: dict[str, object], against: str | None) -> None:
    """A value must match exactly, in type too; other members of the answer do not matter."""
    found = not_ready(answer(body), (), (), values)
    assert (found is None) if against is None else (found is not None and against in found.words)


def test_waiting_helps_for_another_value_only() -> None:
    """Waiting helps with a wrong value; a missing path is a mistake in the settings, with the paths that exist."""
    other, missing = (not_ready(answer(body), (), (), {"status": "ok"}) for body in ('{"status": "x"}', '{"state": 1}'))
    assert other is not None
    assert missing is not None
    assert (other.waiting, missing.waiting) == (Waiting.HELPS, Waiting.SELDOM)
    assert "health.values must use paths of the answer" in str(missing)


def test_parts_and_values_together() -> None:
    """Both parts and values must match, except those that may lag behind a newer schema."""
    said = answer('{"ready": false, "level": "old", "database": true}')
    assert not_ready(said, ("ready", "database"), ("ready", "level"), {"level": "new"}) is None
    assert not_ready(said, ("ready", "database"), ("level",), {"level": "new"}) is not None


def container(health: str = "healthy", state: str = "running", **more: Any) -> Any:
    given = {"addresses": (), "ports": {}, "network_mode": "", "restarts": 0, "id": "c"} | more
    return SimpleNamespace(name="shop-api-1", service="api", state=state, health=health,
                           one_line=f"shop-api-1 is {state}, {health}", restart_policy="no", **given)  # fmt: skip


def health(http: Any, *containers: Any, headers: dict[str, str] | None = None, **settings: Any) -> Health:
    production: Any = SimpleNamespace(of_services=lambda _: containers, containers=lambda: containers,
                                      application=lambda: containers)  # fmt: skip
    return Health(production, http, HealthSettings(**settings), headers or {}, Deadlines(healthy=1, stable=0.1))


@pytest.mark.parametrize("seen", ["healthy", "starting", "unhealthy", "none"])
def test_container_s_own_health_check(seen: str) -> None:
    """`readiness = "container"` uses the health check only; a container without one fails the plan."""
    with asking() as http:
        found = health(http, container(seen), readiness="container")
        assert found.check_ready().observe().ok is (seen == "healthy")
        assert found.check_live().not_configured is Absent.LIVENESS
        fits = found.check_requests_fit().observe()
        assert fits.ok is (seen != "none")
        assert found.readiness()["answer"] == f"shop-api-1 is running, {seen}"


def test_status_alone() -> None:
    """With `readiness = "status"` a 200 is ready, whatever its body."""
    with serving(lambda asked: Reply(200 if asked.path == "/up" else 503, b"fine")) as server, asking() as http:
        address, _, port = server.url.removeprefix("http://").partition(":")
        one = container(addresses=(address,))
        good = health(http, one, port=int(port), readiness="status", readiness_path="/up")
        assert good.check_ready().observe().ok
        assert not health(http, one, port=int(port), readiness="status", readiness_path="/x").check_ready().observe().ok


def test_asked_where_the_settings_say() -> None:
    """A published port is asked with the public Host, another address with its own host name."""
    with serving(lambda _: Reply(200, {"status": "ok"})) as server, asking() as http:
        place = server.url.removeprefix("http://")
        one = container(addresses=("192.0.2.1",), ports={8000: place})
        rule = {"values": {"status": "ok"}}
        published = health(http, one, through="published", headers={"Host": "shop.example"}, **rule)
        assert published.check_ready().observe().ok
        assert server.asked[-1].headers["host"] == "shop.example"
        assert health(http, one, through=server.url, **rule).check_ready().observe().ok
        assert server.asked[-1].headers["host"] == place
        nowhere = health(http, container(addresses=("192.0.2.1",)), through="published", **rule)
        fits = nowhere.check_requests_fit().observe()
        assert not fits.ok
        assert "does not publish port 8000" in fits.seen


def test_address_of_its_own_has_its_own_host_name(tmp_path: Path) -> None:
    """The public host name is sent to containers only, unless `host_header` is set."""
    text = '[project]\nname = "shop"\ndirectory = "/s"\n[traffic]\npublic_url = "https://shop.example"\n[health]\n'
    path = tmp_path / "runbook.toml"
    for line, headers in (
        ("", {"Host": "shop.example"}),
        ('through = "http://api.internal:8080"\n', {}),
        ('through = "http://api.internal:8080"\nhost_header = "shop"\n', {"Host": "shop"}),
    ):
        path.write_text(text + line)
        assert load(path).health_headers() == headers
