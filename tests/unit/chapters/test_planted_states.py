"""Thirty planted states of a production after a deploy, and the result of `-m post_deploy` for each.

The checks are the runbook's own. They use a real HTTP server, a fake engine with these logs, and notes on disk;
docs/planted_states.md has the table.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.actions import Check
from runbook.errors import RunbookError
from runbook.polling import wait_for
from runbook.production.containers import Container
from runbook.production.logs.reader import Logs
from runbook.production.service.health import Health
from runbook.production.service.metrics import Metrics
from runbook.production.service.traffic import TrafficGate
from runbook.settings.application import HealthSettings, LogSettings, ServiceCommand, TrafficSettings
from runbook.settings.schema import Deadlines
from tests.support.engine_server import FakeEngine, frame
from tests.support.engine_server import container as engine_container
from tests.support.incident_parts import incident, production
from tests.support.notes import digests, quarantine_of, quarantined
from tests.support.parts import Asked, Reply, asking, serving

PAGE = Path(__file__).parents[3] / "docs" / "planted_states.md"
TOKEN = "canary-4711"
DEADLINES = Deadlines(healthy=2, stable=0.2, http=1, public=0.6)
READY = {"ready": True, "database": True, "jobs": True, "migrations_current": True}
GUARDED = Reply(200, b"# TYPE up gauge\nup 1\n")
SERVED = Reply(200, b"[]", {"X-Release": "v2"})
ANOTHER = Reply(200, b"", {"X-Release": "v1"})
LOGIN = Reply(200, b"<html>login</html>")
ENDED = {"state": "exited", "exit_code": 1, "restart_policy": "no"}
TRACEBACK = ("Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 'sku'")
QUIET = "INFO:     Application startup complete."


def container(service: str, **more: Any) -> Container:
    made = Container(
        id=service, name=f"shop-{service}-1", service=service, image_id="i", image_name=f"r.example/{service}:v2",
        state="running", health="healthy", restarts=0, started_at="", exit_code=0, addresses=("127.0.0.1",),
        directory="", restart_policy="unless-stopped",
    )  # fmt: skip
    return replace(made, **more)


@dataclass(frozen=True)
class State:
    """One planted state: the answers that differ from a healthy production's, the outcome, and the check behind it."""

    what: str
    outcome: str = "passed"
    by: str = ""
    answers: dict[str, Reply] = field(default_factory=dict)
    logs: tuple[str, ...] = ()
    api: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Any] = field(default_factory=dict)
    quarantined: bool = False


def ready(**other: Any) -> dict[str, Reply]:
    return {"/readyz": Reply(200, READY | other)}


def failed(what: str, by: str, **more: Any) -> State:
    return State(what, "failed", by, **more)


STATES = (
    # Healthy, with harmless noise.
    State("nothing is special"),
    State("an info line names an address `/errors`", logs=('INFO:     10.0.0.7 - "GET /errors HTTP/1.1" 200 OK',)),
    State("a job reports `0 errors`", logs=("2025-12-18 03:00:01,123 INFO jobs: 12 orders, 0 errors found",)),
    State("a warning tells of an error that was retried", logs=("WARNING retrying after an error",)),
    State("structured lines with `error: null`", logs=('{"level":"info","msg":"done","error":null}',)),
    State("a Go service logs `level=info err=<nil>`", logs=("level=info msg=flushed err=<nil>",)),
    State("the log level is announced: `log level set to ERROR`", logs=("log level set to ERROR",)),
    State("a line in colours", logs=("\x1b[32mINFO\x1b[0m ready",)),
    State("a known line that the settings ignore", logs=("ERROR telemetry: collector is not there",)),
    State("readiness tells more than it must", answers=ready(lag=0, revision="c3")),
    State("the public address redirects within the release", answers={"/orders": replace(SERVED, status=302)}),
    State("an unauthorized scrape is answered 403", answers={"/metrics open": Reply(403)}),
    State("jobs has no health check", jobs={"health": "none"}),
    State("api was restarted once, before", api={"restarts": 1}),
    # Broken.
    failed("liveness answers 500", "live", answers={"/healthz": Reply(500)}),
    failed("readiness answers 503", "ready", answers={"/readyz": Reply(503, READY | {"ready": False})}),
    failed("readiness answers 200 and `jobs: false`", "ready", answers=ready(jobs=False)),
    failed("readiness does not know the database", "ready", answers=ready(database=None)),
    failed("readiness says `yes` where true was expected", "ready", answers=ready(jobs="yes")),
    failed("readiness is a page of HTML", "ready", answers={"/readyz": Reply(200, b"<html>ok</html>")}),
    failed("api is unhealthy", "healthy", api={"health": "unhealthy"}),
    failed("jobs loops: it starts again and again", "healthy", jobs={"state": "restarting", "restarts": 7}),
    failed("jobs has ended, and nothing starts it", "healthy", jobs=ENDED),
    failed("the public address answers 502", "served", answers={"/orders": Reply(502)}),
    failed("the public address is served by another release", "served", answers={"/orders": ANOTHER}),
    failed("metrics are open to everybody", "metrics are refused", answers={"/metrics open": GUARDED}),
    failed("metrics refuse the token", "metrics", answers={"/metrics": Reply(401)}),
    State("the metrics page is no metrics page", "inconclusive", "metrics", answers={"/metrics": LOGIN}),
    failed("an exception in the logs", "logs", logs=TRACEBACK),
    failed("the release is in quarantine", "quarantine", quarantined=True),
)  # fmt: skip


@contextmanager
def checks_on(state: State, folder: Path) -> Iterator[dict[str, Check]]:
    """Yield the checks of a validation on a production in that state, by name and in order."""
    answers = {
        "/healthz": Reply(200), "/readyz": Reply(200, READY), "/orders": SERVED, "/metrics": GUARDED,
        "/metrics open": Reply(401), **state.answers,
    }  # fmt: skip

    def answer(asked: Asked) -> Reply:
        bearer = asked.headers.get("authorization") == f"Bearer {TOKEN}"
        return answers["/metrics open" if asked.path == "/metrics" and not bearer else asked.path]

    found = incident(folder)
    there = [container("api", **state.api), container("jobs", **state.jobs)]
    log = b"".join(frame(f"{line}\n") for line in (QUIET, *state.logs))
    engine = FakeEngine([engine_container(each.id) for each in there], logs={"api": log, "jobs": frame(f"{QUIET}\n")})
    site: Any = production(folder, found, engine=engine)
    site.containers = site.application = site.running = lambda: there
    site.of_services = lambda services: [each for each in there if each.service in set(services)]
    site.tag_of = lambda _each: "v2"
    bad = [quarantined(each) for each in digests("2").values()] if state.quarantined else []
    quarantine = quarantine_of(folder, bad)
    with serving(answer) as server, asking(DEADLINES.http) as http:
        port = int(server.url.rpartition(":")[2])
        asked = HealthSettings(port=port, required=("database", "jobs"))
        health = Health(site, http, asked, {"Host": "shop"}, DEADLINES)
        call = ServiceCommand(command=("true",))
        traffic = TrafficSettings(
            public_url=server.url, check_path="/orders", release_header="X-Release", pause=call, resume=call, state=call
        )
        metrics = Metrics(http, f"{server.url}/metrics", SecretStr(TOKEN), DEADLINES.public)
        logs = Logs(site, LogSettings(ignore=("telemetry: ",)), str)
        yield {
            "quarantine": quarantine.check_not_quarantined(digests("2")),
            "healthy": health.check_containers_healthy(),
            "live": health.check_live(),
            "ready": health.check_ready(),
            "served": TrafficGate(site, http, traffic, DEADLINES.public).check_serves("v2"),
            "metrics": metrics.check_with_token(),
            "metrics are refused": metrics.check_without_token(),
            "logs": logs.check_no_new_errors(None),
        }


def outcome_of(look: Callable[[], Any]) -> str:
    try:
        waited = look()
    except RunbookError:
        return "failed"
    return "inconclusive" if waited.unknown else "passed" if waited.seen.ok else "failed"


@pytest.mark.parametrize("state", STATES, ids=[each.what for each in STATES])
def test_planted_state(tmp_path: Path, state: State) -> None:
    """A healthy production passes despite harmless noise; a broken one is found by exactly the check for its fault."""
    with checks_on(state, tmp_path) as checks:
        # One look at a final result; other checks look until their deadline.
        found = {name: outcome_of(lambda check=check: wait_for(check)) for name, check in checks.items()}  # type: ignore[misc]
    assert {name: outcome for name, outcome in found.items() if outcome != "passed"} == (
        {state.by: state.outcome} if state.by else {}
    )


def test_page_has_the_same_table() -> None:
    """docs/planted_states.md has the thirty tested states, each with its outcome and check."""
    rows = re.findall(r"^\| \d+ \| (.+) \| (\w+)(?: \((.+)\))? \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(each.what, each.outcome, each.by) for each in STATES]
    assert len(STATES) == 30
