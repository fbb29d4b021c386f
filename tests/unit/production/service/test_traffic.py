"""The traffic gate: its own report of its state, and the answers of the public address."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.polling import wait_for
from runbook.production.containers import Container
from runbook.production.service.traffic import TrafficGate
from runbook.settings.application import ServiceCommand, TrafficSettings
from tests.support.engine_server import FakeEngine, container
from tests.support.parts import Reply, asking, host, production, serving

RELEASED = {"X-Release": "v1"}


def gate_of(
    folder: Path,
    http: object = None,
    url: str = "http://127.0.0.1:1",
    header: str | None = "X-Release",
    **calls: ServiceCommand,
) -> TrafficGate:
    """Return a gate that keeps its state in a file on the host."""
    given = {
        "pause": ServiceCommand(command=("sh", "-c", "echo closed > gate")),
        "resume": ServiceCommand(command=("sh", "-c", "echo open > gate")),
        "state": ServiceCommand(command=("cat", "gate")),
    } | calls
    settings = TrafficSettings(public_url=url + "/", check_path="/orders", release_header=header, **given)
    site: Any = production(folder)
    # It runs v1, in one container.
    site.application, site.tag_of = lambda: ["v1"], str
    return TrafficGate(site, http, settings, 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["open", "closed"])
def test_state_is_what_the_gate_says(tmp_path: Path, state: str) -> None:
    """The state is what the gate's command prints, without surrounding whitespace."""
    (tmp_path / "gate").write_text(f" {state}\n")
    assert gate_of(tmp_path).state() == state


@pytest.mark.parametrize(
    "said", [None, "", "OPEN", "opened", "open\nclosed", "no such backend"], ids=["unreadable", *map(repr, range(5))]
)
def test_gate_that_says_neither_is_not_known(tmp_path: Path, said: str | None) -> None:
    """Any answer other than open or closed is inconclusive."""
    if said is not None:
        (tmp_path / "gate").write_text(said)
    with pytest.raises(Inconclusive, match="expected open or closed from the traffic gate"):
        gate_of(tmp_path).state()


def test_only_a_gate_that_holds_may_say_so(tmp_path: Path) -> None:
    """`held` is a state only of a gate with a hold command; a held gate is not held again, and resuming ends it."""
    (tmp_path / "gate").write_text("held")
    with pytest.raises(Inconclusive, match="open or closed"):
        gate_of(tmp_path).state()
    gate = gate_of(tmp_path, hold=ServiceCommand(command=("sh", "-c", "echo held > gate")))
    assert gate.state() == "held"
    assert gate.hold().already() == "the gate is held"
    assert (gate.pause().already(), gate.resume().already()) == (None, None)
    host().check(gate.resume().commands[0])
    assert gate.hold().already() is None


def test_held_gate_does_not_stop_who_goes_on(tmp_path: Path) -> None:
    """If the gate is held, the consistency check passes without a request to the public address."""
    assert holding(tmp_path).check_consistent(lambda: True).observe().ok


def holding(folder: Path, http: object = None, url: str = "http://127.0.0.1:1", said: str = "held") -> TrafficGate:
    """Return a gate that can hold and reports this state."""
    (folder / "gate").write_text(said)
    return gate_of(folder, http, url, hold=ServiceCommand(command=("sh", "-c", "echo held > gate")))


def test_closed_gate_need_not_hold(tmp_path: Path) -> None:
    """A closed gate is not held, and the longest wait of a request is on record."""
    hold = holding(tmp_path, said="closed").hold()
    assert hold.already() == "the gate is closed"
    assert hold.members["longest_wait"] == 10
    assert "longest_wait" not in gate_of(tmp_path).pause().members


@pytest.mark.parametrize(
    ("said", "may_be_held", "ok"),
    [
        ("held", True, True),
        ("closed", True, True),
        ("closed", False, True),
        ("held", False, False),
        ("open", True, False),
    ],
)
def test_gate_lets_no_request_through(tmp_path: Path, said: str, *, may_be_held: bool, ok: bool) -> None:
    """The gate counts as paused if it is closed, or if it is held and that is allowed."""
    assert holding(tmp_path, said=said).check_paused(held=may_be_held).observe().ok is ok


def late(reply: Reply, seconds: float) -> Callable[[object], Reply]:
    """Return a handler that replies after `seconds`."""

    def answer(_asked: object) -> Reply:
        time.sleep(seconds)
        return reply

    return answer


@pytest.mark.parametrize(
    ("answer", "ok", "says"),
    [
        pytest.param(late(Reply(200), 1.0), True, "holds requests; the gate is held", id="it-waits"),
        pytest.param(late(Reply(503), 0), True, "answers 503; the gate is held", id="waited-for-too-long"),
        pytest.param(late(Reply(200, headers=RELEASED), 0), False, "contradiction: the gate says held", id="answered"),
        pytest.param(late(Reply(503, headers=RELEASED), 0), False, "contradiction", id="answered-with-an-error"),
        pytest.param(late(Reply(200), 0), False, "contradiction: the gate says held", id="somebody-answers"),
    ],
)
def test_held_gate_is_proved_by_a_short_request(
    tmp_path: Path, answer: Callable[[object], Reply], says: str, *, ok: bool
) -> None:
    """A request without a quick answer proves the hold; an answer of the application contradicts it."""
    with serving(answer) as server, asking() as http:
        began = time.monotonic()
        found = holding(tmp_path, http, server.url).check_traffic_paused(held=True).observe()
        assert time.monotonic() - began < 0.9, "users wait meanwhile"
    assert (found.ok, says in found.seen) == (ok, True), found.seen
    assert not holding(tmp_path, said="held").check_paused(held=False).observe().ok


def test_request_that_waits_closes_no_gate(tmp_path: Path) -> None:
    """A waiting request does not prove a closed gate, nor an unreachable address a held one."""
    with serving(late(Reply(200), 1.0)) as server, asking() as http:
        assert not holding(tmp_path, http, server.url).check_traffic_paused(held=False).observe().ok
        with pytest.raises(Inconclusive, match="gave no answer"):
            holding(tmp_path, http).check_traffic_paused(held=True).observe()


def test_pausing_and_resuming_converge(tmp_path: Path) -> None:
    """Pausing and resuming converge: a closed gate is not paused again, nor an open one resumed."""
    (tmp_path / "gate").write_text("open")
    gate = gate_of(tmp_path)
    assert gate.pause().already() is None
    assert gate.resume().already() == "the gate is open"
    host().check(gate.pause().commands[0])
    assert gate.pause().already() == "the gate is closed"
    assert wait_for(gate.check_paused(held=False)).seen.ok
    assert not wait_for(gate.check_open()).seen.ok
    host().check(gate.resume().commands[0])
    assert wait_for(gate.check_open()).seen.ok


@pytest.mark.parametrize(
    ("reply", "header", "good"),
    [
        pytest.param(Reply(200, headers=RELEASED), "X-Release", True, id="the-target"),
        pytest.param(Reply(200, headers=RELEASED), "x-release", True, id="header-in-another-case"),
        pytest.param(Reply(200, headers={"X-Release": "v2"}), "X-Release", False, id="another-release"),
        pytest.param(Reply(200), "X-Release", False, id="names-no-release"),
        pytest.param(Reply(200), None, True, id="no-header-agreed"),
        pytest.param(Reply(503, headers=RELEASED), "X-Release", False, id="the-target-out-of-order"),
        pytest.param(Reply(404), None, False, id="not-found"),
    ],
)
def test_serving_is_a_good_answer_from_the_target(
    tmp_path: Path, reply: Reply, header: str | None, *, good: bool
) -> None:
    """Users are served if the public address answers well, and from the target if answers name a release."""
    with serving(lambda _asked: reply) as server, asking() as http:
        found = wait_for(gate_of(tmp_path, http, server.url, header).check_serves("v1"))
    assert found.seen.ok is good
    assert f"answers {reply.status}" in found.seen.seen
    assert {asked.path for asked in server.asked} == {"/orders"}


@pytest.mark.parametrize(
    ("reply", "paused"),
    [
        pytest.param(Reply(503), True, id="gateway-says-no"),
        pytest.param(Reply(503, headers=RELEASED), False, id="application-says-no"),
        pytest.param(Reply(200), False, id="somebody-answers"),
        pytest.param(Reply(404), False, id="somebody-has-no-such-page"),
    ],
)
def test_only_the_gateway_pauses_traffic(tmp_path: Path, reply: Reply, *, paused: bool) -> None:
    """Only the gateway's refusal counts as paused; an error of the application shows that requests reach it."""
    (tmp_path / "gate").write_text("closed")
    with serving(lambda _asked: reply) as server, asking() as http:
        assert wait_for(gate_of(tmp_path, http, server.url).check_traffic_paused(held=False)).seen.ok is paused


def test_no_answer_is_neither_served_nor_paused(tmp_path: Path) -> None:
    """If nothing listens at the public address, serving and pausing are both inconclusive."""
    (tmp_path / "gate").write_text("closed")
    with asking() as http:
        gate = gate_of(tmp_path, http, "http://127.0.0.1:1")
        assert wait_for(gate.check_serves("v1")).unknown is not None
        assert wait_for(gate.check_traffic_paused(held=False)).unknown is not None


def test_open_gate_pauses_no_traffic(tmp_path: Path) -> None:
    """A 503 while the gate says open is a contradiction, because something else sends it."""
    (tmp_path / "gate").write_text("open")
    with serving(lambda _asked: Reply(503)) as server, asking() as http:
        found = wait_for(gate_of(tmp_path, http, server.url).check_traffic_paused(held=False)).seen
    assert not found.ok
    assert "contradiction: the gate says open" in found.seen


TO_TLS = Reply(301, headers={"Location": "https://shop.example/orders"})


@pytest.mark.parametrize("header", ["X-Release", None])
@pytest.mark.parametrize(
    ("state", "reply", "well", "ok"),
    [
        pytest.param("open", Reply(200, headers=RELEASED), True, True, id="open"),
        pytest.param("open", Reply(500, headers=RELEASED), True, True, id="open-and-failing"),
        pytest.param("open", Reply(500), True, True, id="open-and-failing-without-a-name"),
        pytest.param("open", Reply(404, headers=RELEASED), False, True, id="open-and-ailing"),
        pytest.param("open", Reply(503, headers=RELEASED), False, True, id="open-and-failing-and-ailing"),
        pytest.param("open", Reply(503), False, True, id="open-in-front-of-nothing"),
        pytest.param("open", Reply(503), True, False, id="open-and-answers-as-closed"),
        pytest.param("open", TO_TLS, True, False, id="another-public-address"),
        pytest.param("closed", Reply(503), True, True, id="closed"),
        pytest.param("closed", Reply(200, headers=RELEASED), True, False, id="closed-and-lets-users-in"),
        pytest.param("closed", Reply(500, headers=RELEASED), True, False, id="closed-and-the-application-errs"),
        pytest.param("closed", Reply(200, b"we are back soon"), True, False, id="maintenance-page"),
        pytest.param("closed", TO_TLS, True, False, id="closed-and-redirects"),
    ],
)
def test_gate_and_public_address_are_held_against_each_other(  # noqa: PLR0913 - the facts and the result
    tmp_path: Path, state: str, reply: Reply, header: str | None, *, well: bool, ok: bool
) -> None:
    """A contradiction between the gate's state and the public address is reported in the plan."""
    (tmp_path / "gate").write_text(state)
    with serving(lambda _asked: reply) as server, asking() as http:
        found = gate_of(tmp_path, http, server.url, header).check_consistent(lambda: well).observe()
    assert found.ok is ok
    assert f"the gate says {state}" in found.seen
    assert ok or reply is TO_TLS or "contradiction" in found.seen


@pytest.mark.parametrize("header", ["X-Release", None])
@pytest.mark.parametrize(
    ("status", "ok"),
    [(401, False), (403, False), (404, False), (405, False), (410, False), (429, True), (500, True), (502, True)],
)
def test_status_that_no_release_would_better_is_told_in_the_plan(
    tmp_path: Path, status: int, header: str | None, *, ok: bool
) -> None:
    """A 4xx that the target would send too fails the plan; a 429 or 5xx does not."""
    (tmp_path / "gate").write_text("open")
    with serving(lambda _asked: Reply(status, headers=RELEASED)) as server, asking() as http:
        found = gate_of(tmp_path, http, server.url, header).check_consistent(lambda: True).observe()
    assert found.ok is ok
    assert ok or f"answers {status}" in found.seen
    assert ok or "set traffic.check_path" in found.seen


@pytest.mark.parametrize(
    ("said", "well", "ok"),
    [
        pytest.param("v1", True, True, id="the-tag"),
        pytest.param("1.0.0+build7", True, False, id="a-build-number"),
        pytest.param("", True, False, id="empty"),
        pytest.param("2", False, True, id="ailing"),
    ],
)
def test_header_that_does_not_name_the_running_tag_is_told_in_the_plan(
    tmp_path: Path, said: str, *, well: bool, ok: bool
) -> None:
    """A release header other than the running tag fails the plan while the api is ready."""
    (tmp_path / "gate").write_text("open")
    with serving(lambda _asked: Reply(headers={"X-Release": said})) as server, asking() as http:
        found = gate_of(tmp_path, http, server.url).check_consistent(lambda: well).observe()
    assert found.ok is ok
    assert ok or f"X-Release is {said!r}, but v1 is running (set traffic.release_header" in found.seen


def test_somebody_else_answers(tmp_path: Path) -> None:
    """Answers without the release header fail the plan while the api is ready: they would prove nothing later."""
    (tmp_path / "gate").write_text("open")
    with serving(lambda _asked: Reply(200)) as server, asking() as http:
        gate = gate_of(tmp_path, http, server.url)
        assert "answers 200 without X-Release" in gate.check_consistent(lambda: True).observe().seen
        assert not gate.check_consistent(lambda: True).observe().ok
        assert gate.check_consistent(lambda: False).observe().ok


def test_address_that_nobody_reaches_is_told_in_the_plan(tmp_path: Path) -> None:
    """An unreachable public address is inconclusive in the plan, because a pause could not be verified later."""
    (tmp_path / "gate").write_text("open")
    with asking() as http, pytest.raises(Inconclusive, match="gave no answer"):
        gate_of(tmp_path, http).check_consistent(lambda: True).observe()


def test_programs_of_the_gate_are_looked_for_on_the_host(tmp_path: Path) -> None:
    """A missing program of the gate fails the plan, and no program is run."""
    found = gate_of(tmp_path).check_commands().observe()
    assert found.ok
    assert not (tmp_path / "gate").exists()
    for missing in ("no-such-program", "./gate.sh", "/usr/bin/no-such-program"):
        found = gate_of(tmp_path, resume=ServiceCommand(command=(missing, "open"))).check_commands().observe()
        assert (found.ok, f"no {missing} on the host" in found.seen) == (False, True)
    script = tmp_path / "gate.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for there in ("./gate.sh", str(script), "/bin/sh"):
        assert gate_of(tmp_path, resume=ServiceCommand(command=(there, "open"))).check_commands().observe().ok


@pytest.mark.parametrize(
    ("docker", "ok", "says"),
    [
        pytest.param("echo found", True, "gate is found in gateway", id="there"),
        pytest.param("echo missing", False, "gate is missing in gateway", id="not-there"),
        pytest.param("echo 'exec: \"sh\": not found' >&2; exit 127", True, "unknown: ", id="no-shell"),
        pytest.param("echo 'service is not running' >&2; exit 1", False, "is not running", id="not-running"),
    ],
)
def test_programs_of_the_gate_are_looked_for_in_the_container(
    tmp_path: Path, docker: str, says: str, *, ok: bool
) -> None:
    """A gate's program in a container is looked for with its shell; without a shell that is unknown."""
    pause = ServiceCommand(service="gateway", command=("gate", "close"))
    gate = gate_of(tmp_path, pause=pause)
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{docker}\n")
    (tmp_path / "docker").chmod(0o755)
    gate._production.host = host(environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    found = gate.check_commands().observe()
    assert (found.ok, says in found.seen) == (ok, True)


@pytest.mark.parametrize(("state", "final"), [("exited", True), ("paused", True), ("running", False)])
def test_gate_whose_container_stands_still_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, *, final: bool
) -> None:
    """A gate whose container nothing restarts is not waited for, and the result says so."""
    monkeypatch.setattr("runbook.production.service.stuck_containers._SURE", 0.0)
    gate = gate_of(tmp_path, state=ServiceCommand(service="gateway", command=("gate", "state")))
    site: Any = gate._production
    engine = FakeEngine([container("c1")], inside=lambda *_: (0, "closed\n", ""))
    site.host = host(environment={"PATH": f"{tmp_path}:/usr/bin:/bin"} | engine.environment)
    site.containers = lambda: [gateway(state)]
    (tmp_path / "docker").write_text("#!/bin/sh\necho closed\n")
    (tmp_path / "docker").chmod(0o755)
    found = gate.check_open().observe()
    assert (found.ok, found.final, "nothing will restart it" in found.seen) == (False, final, final)
    assert gate.check_paused(held=False).observe().ok
    engine.inside = lambda *_: (1, "", "no gate")
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    if final:
        assert gate.check_open().observe().final
    else:
        with pytest.raises(Inconclusive):
            gate.check_open().observe()


def gateway(state: str) -> Container:
    return Container("c1", "shop-gateway-1", "gateway", "", "", state, "none", 0, "", 0, ())
