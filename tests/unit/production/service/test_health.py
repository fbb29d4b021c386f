"""Health: the objections to an answer, and the answers that waiting does not improve."""

import json
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.actions import Check, Observation
from runbook.errors import CheckFailed, Inconclusive, NoAnswer, RunbookError, Why
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.polling import wait_for
from runbook.production.containers import Container
from runbook.production.service.health import Health
from runbook.production.service.health_answers import not_ready
from runbook.production.service.stuck_containers import StuckContainers
from runbook.settings.application import HealthSettings
from runbook.settings.schema import Deadlines
from tests.support import parts
from tests.support.incident_parts import incident
from tests.support.parts import Asked, Heard, Reply, serving

REQUIRED = ("database", "jobs", "migrations_current")
BEHIND = ("ready", "migrations_current")
GOOD = {"ready": True, "database": True, "jobs": True, "migrations_current": True}
DEADLINES = Deadlines(healthy=120, stable=0.1)


def answer(status: int, said: Any) -> HttpResponse:
    body = said if isinstance(said, str) else json.dumps(said)
    return HttpResponse("http://api/readyz", status, {}, body, 0.01)


@pytest.mark.parametrize(
    ("status", "said", "against"),
    [
        pytest.param(200, GOOD, None, id="all true"),
        pytest.param(200, GOOD | {"schema_revision": "r1", "lag": 0}, None, id="more than parts"),
        pytest.param(503, GOOD, "HTTP 503", id="status"),
        pytest.param(200, GOOD | {"jobs": False}, "jobs", id="false"),
        pytest.param(200, GOOD | {"cache": False}, "cache", id="false, and not required"),
        pytest.param(200, GOOD | {"jobs": None}, "jobs (is None)", id="null is not known"),
        pytest.param(200, GOOD | {"jobs": "yes"}, "jobs (is 'yes')", id="a word is not known"),
        pytest.param(200, GOOD | {"jobs": "true"}, "jobs (is 'true')", id="the word true"),
        pytest.param(200, GOOD | {"database": 0}, "database (is 0)", id="0"),
        pytest.param(200, GOOD | {"database": 0.0}, "database (is 0.0)", id="0.0"),
        pytest.param(200, GOOD | {"database": 1}, "database (is 1)", id="1"),
        pytest.param(200, GOOD | {"database": 1.0}, "database (is 1.0)", id="1.0"),
        pytest.param(200, GOOD | {"database": []}, "database (is [])", id="empty list"),
        pytest.param(200, {"database": True, "jobs": True}, "migrations_current (is None)", id="missing"),
        pytest.param(200, [GOOD], "expected a JSON object", id="list"),
        pytest.param(200, "<html>", "expected a JSON object", id="no JSON"),
    ],
)
def test_ready_means_every_part(status: int, said: Any, against: str | None) -> None:
    """Ready means status 200, every required part `true` and no part false; null and numbers do not count."""
    found = not_ready(answer(status, said), REQUIRED)
    assert (found is None) if against is None else (found is not None and against in found.words)


@pytest.mark.parametrize(
    ("status", "said", "against"),
    [
        pytest.param(503, GOOD | {"ready": False, "migrations_current": False}, None, id="behind"),
        pytest.param(200, GOOD, None, id="not behind"),
        pytest.param(503, GOOD | {"ready": False, "jobs": False}, "jobs", id="jobs"),
        pytest.param(500, GOOD, "HTTP 500", id="error"),
        pytest.param(503, {"ready": False, "migrations_current": False}, "database (is None)", id="parts missing"),
        pytest.param(503, GOOD | {"migrations_current": 0}, "migrations_current (is 0)", id="0 is not false"),
    ],
)
def test_behind_the_schema_only_that_may_be_false(status: int, said: Any, against: str | None) -> None:
    """If the schema may be newer, only `ready` and `migrations_current` may be false (trap 4)."""
    found = not_ready(answer(status, said), REQUIRED, BEHIND)
    assert (found is None) if against is None else (found is not None and against in found.words)


def api(**more: Any) -> Container:
    given = {
        "id": "c1", "name": "shop-api-1", "service": "api", "image_id": "", "image_name": "", "state": "running",
        "health": "healthy", "restarts": 0, "started_at": "", "exit_code": 0, "addresses": ("127.0.0.1",),
        "directory": "", "restart_policy": "unless-stopped",
    }  # fmt: skip
    return Container(**(given | more))


def health_of(*containers: Container, **settings: Any) -> tuple[Health, Heard]:
    """Return the health of these containers, requested with the host name shop.example."""
    heard = Heard()
    site = SimpleNamespace(
        host=SimpleNamespace(now=time.time),
        project=SimpleNamespace(services=("api",)),
        of_services=lambda _services: list(containers),
        application=lambda: list(containers),
        containers=lambda: list(containers),
    )
    chosen = HealthSettings.model_validate({"required": ["database"], **settings})
    return Health(site, HttpClient(2, heard), chosen, {"Host": "shop.example", **chosen.headers}, DEADLINES), heard  # type: ignore[arg-type]  # a part of it


@pytest.mark.parametrize(
    ("then", "undisturbed", "at_once"),
    [
        pytest.param(api(), True, True, id="the same"),
        pytest.param(api(), False, False, id="the engine told of something"),
        pytest.param(api(id="c2"), True, False, id="another container"),
        pytest.param(api(restarts=1), True, False, id="restarted"),
        pytest.param(api(health="unhealthy"), True, False, id="unhealthy"),
    ],
)
def test_what_was_proved_counts_while_nothing_happens(then: Container, *, undisturbed: bool, at_once: bool) -> None:
    """A second check of the same containers takes one look; after a change or an event it starts over."""
    health, _ = health_of(api())
    site: Any = health._production
    asked: list[tuple[float, list[str]]] = []
    health._undisturbed_since = lambda moment, ids: (asked.append((moment, list(ids))), undisturbed)[1]
    first = wait_for(health.check_containers_healthy())
    assert (first.seen.ok, first.looks > 1) == (True, True)
    assert asked == []
    (proved,) = health._steady
    site.application = lambda: [then]
    assert health.check_containers_healthy().observe().ok is at_once
    assert asked == ([(proved.seen, ["c1"])] if then == api() else [])


@pytest.mark.parametrize(
    ("containers", "ok"),
    [
        pytest.param([api()], True, id="healthy"),
        pytest.param([api(health="none")], True, id="without-a-health-check"),
        pytest.param([api(), api(id="c2", health="starting")], False, id="one-starts-still"),
        pytest.param([api(state="restarting", health="none")], False, id="restarts"),
    ],
)
def test_healthy_now_takes_one_look(containers: list[Container], *, ok: bool) -> None:
    """`check_healthy_now` takes one look: whether every container is healthy, not for how long."""
    health, _ = health_of(*containers)
    found = health.check_healthy_now()
    assert found.observe().ok is ok
    assert (found.told_by_engine, "restart" in found.expected) == (True, False)


def test_window_begins_where_it_was_first_seen_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stable time counts from the first healthy look behind the gate, and an engine event restarts it."""
    now = [100.0]
    monkeypatch.setattr("runbook.production.service.health.time.monotonic", lambda: now[0])
    health, _ = health_of(api())
    health._undisturbed_since = lambda moment, _ids: moment < 103
    assert health.check_healthy_now().observe().ok
    now[0] += DEADLINES.stable / 2
    seen = health.check_containers_healthy().observe()
    assert (seen.ok, seen.again) == (False, pytest.approx(DEADLINES.stable / 2))
    now[0] = 105.0
    assert health.check_containers_healthy().observe().ok
    health._undisturbed_since = lambda _moment, _ids: False
    assert not health.check_containers_healthy().observe().ok


def test_who_meets_a_container_that_fails_is_said() -> None:
    """The next step says whether users are affected: not before the gate opens."""
    health, _ = health_of(api())
    assert "users are not affected yet" in health.check_containers_healthy().next_step
    assert "users are not affected yet" in health.check_healthy_now().next_step
    assert health.check_containers_healthy("traffic is open").next_step == "read the container's log; traffic is open"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def known_host(asked: Asked) -> Reply:
    """Answer as an api that knows one host name, like TrustedHostMiddleware or ALLOWED_HOSTS."""
    if asked.headers["host"] != "shop.example":
        return Reply(400, b"Invalid host header")
    return Reply(200, {"database": True})


def test_public_host_name_is_asked_for(tmp_path: Path) -> None:
    """Requests carry the public host name; if the api refuses the name, the check names health.host_header."""
    with serving(known_host) as server:
        health, _ = health_of(api(), port=port_of(server.url))
        assert health.check_live().observe().ok
        assert health.check_ready().observe().ok
        assert health.check_requests_fit().observe().ok
        health, _ = health_of(api(), port=port_of(server.url))
        health._headers = {"Host": "127.0.0.1"}
        for observe in (health.check_live().observe(), health.check_ready().observe()):
            assert (observe.ok, observe.final) == (False, True)
        with pytest.raises(CheckFailed, match=r"Invalid host header.*health\.host_header"):
            incident(tmp_path).verify(health.check_requests_fit())


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param(Reply(400, b"Invalid host header"), "health.host_header", id="host"),
        pytest.param(Reply(421), "health.host_header", id="misdirected"),
        pytest.param(Reply(307, headers={"Location": "https://shop.example/healthz"}), "X-Forwarded-Proto", id="https"),
        pytest.param(Reply(308, headers={"Location": "/healthz/"}), "set a path under [health]", id="slash"),
        pytest.param(Reply(302), "nowhere (no Location header)", id="nowhere"),
        pytest.param(Reply(404), "set a path under [health]", id="no-such-path"),
        pytest.param(Reply(405), "answers GET", id="method"),
        pytest.param(Reply(401), "without credentials", id="login"),
        pytest.param(Reply(204), "answers 200", id="no-content"),
        pytest.param(Reply(200, b"<html>"), "expected a JSON object", id="no-json"),
        pytest.param(Reply(200, [1]), "expected a JSON object", id="list"),
        pytest.param(Reply(200, {"db": True}), "the answer has db", id="another-part"),
        pytest.param(Reply(200, {"database": 0}), "database (is 0)", id="number"),
    ],
)
def test_request_that_can_never_be_answered_well_stops_the_plan(reply: Reply, says: str) -> None:
    """An answer that no release would improve fails the plan, which names the setting to change."""
    with serving(lambda asked: Reply(200) if asked.path == "/healthz" and reply.status == 200 else reply) as server:
        health, _ = health_of(api(), port=port_of(server.url))
        found = health.check_requests_fit().observe()
    assert not found.ok
    assert says in found.seen


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(500, b"broken"), id="error"),
        pytest.param(Reply(503, {"database": False}), id="not-ready"),
        pytest.param(Reply(502, b"<html>"), id="proxy"),
        pytest.param(Reply(429), id="busy"),
    ],
)
def test_release_that_fails_is_no_wrong_request(reply: Reply) -> None:
    """A failing release does not fail the plan, because its failure is the reason for the rollback."""
    with serving(lambda _asked: reply) as server:
        found = health_of(api(), port=port_of(server.url))[0].check_requests_fit().observe()
    assert found.ok
    assert "the running release fails" in found.seen
    with serving(lambda asked: Reply(200, {"database": False} if asked.path == "/readyz" else b"")) as server:
        assert health_of(api(), port=port_of(server.url))[0].check_requests_fit().observe().ok


@pytest.mark.parametrize("state", ["exited", "restarting", "paused", "created"])
def test_release_that_is_down_leaves_it_unknown(state: str) -> None:
    """If nothing runs, it is unknown whether the requests fit; that is reported and stops nothing."""
    found = health_of(api(state=state))[0].check_requests_fit().observe()
    assert found.ok
    assert "unknown: " in found.seen


@pytest.mark.parametrize(("condition", "ok"), [("healthy", False), ("none", True), ("unhealthy", True)])
def test_port_without_a_listener(condition: str, *, ok: bool) -> None:
    """A port without a listener fails the plan if the container is healthy; any other may just be broken."""
    found = health_of(api(health=condition), port=1)[0].check_requests_fit().observe()
    assert found.ok is ok
    assert "health.port" in found.seen or "unknown: " in found.seen


@pytest.mark.parametrize(("condition", "ok"), [("healthy", False), ("none", True)])
def test_container_that_is_not_reached_from_here(condition: str, *, ok: bool) -> None:
    """An unreachable container (Docker Desktop, another host) is reported; if it is healthy, the plan fails."""
    far = NoAnswer("no route to host", "look", Why.UNREACHABLE)
    health, _ = health_of(api(health=condition))
    health._http = SimpleNamespace(get=raising(far))  # type: ignore[assignment]  # a part of it
    found = health.check_requests_fit().observe()
    assert found.ok is ok
    assert "no route to host" in found.seen
    assert ok or "publish its port" in found.seen


def raising(error: RunbookError) -> Callable[..., HttpResponse]:
    def get(*_arguments: object, **_more: object) -> HttpResponse:
        raise error

    return get


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    argv = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    argv += ("-keyout", f"{folder}/both", "-out", f"{folder}/both.crt", "-days", "2", "-subj", "/CN=another.name")
    subprocess.run(argv, check=True, capture_output=True)
    (folder / "both").write_text((folder / "both").read_text() + (folder / "both.crt").read_text())
    return folder / "both"


@pytest.fixture
def by_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make servers speak TLS, with a certificate that names neither address nor host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Server(parts.ThreadingHTTPServer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.socket = context.wrap_socket(self.socket, server_side=True)

        def handle_error(self, *_arguments: object) -> None:
            """Print nothing."""

    monkeypatch.setattr(parts, "ThreadingHTTPServer", Server)


@pytest.mark.usefixtures("by_tls")
def test_scheme_is_a_setting() -> None:
    """A port that speaks TLS is asked over https; asked over http, the plan names health.scheme."""
    with serving(known_host) as server:
        health, _ = health_of(api(), port=port_of(server.url), scheme="https")
        assert health.check_ready().observe().ok
        found = health_of(api(), port=port_of(server.url))[0].check_requests_fit().observe()
    assert not found.ok
    assert 'health.scheme = "https"' in found.seen


def test_tls_asked_of_a_plain_port() -> None:
    """A plain port asked over https fails in the plan, which names health.scheme, and behind the gate."""
    with serving(known_host) as server:
        health, _ = health_of(api(), port=port_of(server.url), scheme="https")
        found = health.check_requests_fit().observe()
        assert not health.check_live().observe().ok
    assert not found.ok
    assert 'health.scheme = "http"' in found.seen


def test_every_container_is_asked_at_an_address_that_answers() -> None:
    """Any one address of a container may answer, but every container of a scaled service must answer well."""
    with serving(known_host) as server:
        port = port_of(server.url)
        both = api(id="c1", addresses=("127.0.0.9", "127.0.0.1")), api(id="c2", name="shop-api-2")
        assert health_of(*both, port=port)[0].check_ready().observe() == Observation(
            ok=True, seen="shop-api-1 is ready; shop-api-2 is ready"
        )
        on_host = api(addresses=(), network_mode="host")
        assert health_of(on_host, port=port)[0].check_ready().observe().ok
        published = api(addresses=(), ports={8000: f"127.0.0.1:{port}"})
        assert health_of(published)[0].check_ready().observe().ok
        lodger = api(id="c3", addresses=(), network_mode="container:c1")
        assert health_of(api(), lodger, port=port)[0].check_ready().observe().ok
        with pytest.raises(Inconclusive, match=r"shop-api-2 .* gave no answer"):
            health_of(api(), api(id="c2", name="shop-api-2", addresses=("127.0.0.9",)), port=port)[
                0
            ].check_ready().observe()
        found = (
            health_of(api(), api(id="c2", name="shop-api-2", addresses=()), port=port)[0].check_requests_fit().observe()
        )
    assert not found.ok
    assert "shop-api-2 is running, healthy but has no address" in found.seen


class Time:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_answer_of_one_that_starts_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 404 is final only after 10 s, because the application may be starting; a 503 never is."""
    time, reply = Time(), [Reply(404)]
    monkeypatch.setattr("runbook.production.service.health.StuckContainers", lambda: StuckContainers(time))
    with serving(lambda _asked: reply[0]) as server:
        check = health_of(api(), port=port_of(server.url))[0].check_live()
        assert not check.observe().final
        time.now += 9
        assert not check.observe().final
        time.now += 1
        assert check.observe().final
        reply[0] = Reply(503)
        assert not check.observe().final
        time.now += 100
        assert not check.observe().final


@pytest.mark.parametrize("state", ["exited", "created", "paused", "dead", "removing"])
@pytest.mark.parametrize("which", ["check_containers_healthy", "check_live", "check_ready"])
def test_container_that_nothing_starts_again_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, state: str, which: str
) -> None:
    """A container that nothing restarts is given up after 3 s in its state, not at the deadline."""
    time = Time()
    monkeypatch.setattr("runbook.production.service.health.StuckContainers", lambda: StuckContainers(time))
    check: Check = getattr(health_of(api(state=state, addresses=()))[0], which)()
    observe(check)
    time.now += 3
    found = check.observe()
    assert (found.ok, found.final) == (False, True)
    assert f"shop-api-1 is {state}" in found.seen
    assert "nothing will restart it" in found.seen


def observe(check: Check) -> None:
    """Take a look that may raise Inconclusive and must not be final."""
    try:
        assert not check.observe().final
    except RunbookError as error:
        assert isinstance(error, Inconclusive)  # noqa: PT017 - the look may also succeed


def crashing(times: int, seconds: float) -> list[str]:
    """Return why a container with this many restarts in this many seconds is given up."""
    time = Time()
    stuck = StuckContainers(time)
    assert stuck.reasons([api(state="restarting", restarts=2)]) == []
    time.now += seconds
    return stuck.reasons([api(state="running", restarts=2 + times)])


@pytest.mark.parametrize(("times", "seconds", "given_up"), [(5, 20, True), (4, 100, False), (9, 19, False)])
def test_crash_loop_is_given_up(times: int, seconds: float, *, given_up: bool) -> None:
    """A container is given up after 5 restarts and 20 s of waiting; earlier restarts do not count."""
    found = crashing(times, seconds)
    assert bool(found) is given_up
    assert not found or f"restarted {times} times in {seconds} s" in found[0]


def test_state_that_passes_is_forgotten() -> None:
    """Only uninterrupted time in one state counts."""
    time = Time()
    stuck = StuckContainers(time)
    for state in ("created", "running", "exited"):
        assert stuck.reasons([api(state=state)]) == []
        time.now += 2
    time.now += 1
    assert stuck.reasons([api(state="exited")])


@pytest.mark.parametrize(
    ("health", "seconds", "ok"),
    [
        pytest.param("healthy", 1, False, id="healthy"),
        pytest.param("none", 3600, False, id="up-for-long"),
        pytest.param("none", 30, True, id="may-be-starting"),
        pytest.param("starting", 3600, True, id="starting"),
        pytest.param("unhealthy", 3600, True, id="fails"),
        pytest.param("none", None, True, id="not-known-since-when"),
    ],
)
def test_wrong_port_of_an_api_without_a_health_check_is_told_in_the_plan(
    health: str, seconds: float | None, *, ok: bool
) -> None:
    """A port without a listener fails the plan if the container is healthy, or has no health check and runs long."""
    since = f"{datetime.now(UTC) - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.123456789Z" if seconds else ""
    found, _ = health_of(api(health=health, started_at=since), port=9)
    observe = found.check_requests_fit().observe()
    assert observe.ok is ok
    assert ("unknown: " if ok else "set health.port") in observe.seen
