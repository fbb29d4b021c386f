"""The events of a real engine: a container's death, start and health end a wait at once."""

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from rehearsal.images.parts import BASE_IMAGE
from runbook.actions import Check, Observation
from runbook.hosts.local import LocalHost
from runbook.polling import wait_for
from tests.engine.conftest import docker
from tests.support.parts import Heard

LONG = 30.0  # seconds, longer than any test waits
PROJECT = f"events-{uuid.uuid4().hex[:6]}"
HEALTH = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1")


@pytest.fixture
def container() -> Iterator[str]:
    """A container with the labels of a Compose project."""
    labels = ("--label", f"com.docker.compose.project={PROJECT}")
    name = docker("run", "--detach", "--init", *labels, *HEALTH, BASE_IMAGE, "sleep", "600")
    yield name
    docker("rm", "--force", name)


@pytest.mark.parametrize(
    ("command", "members", "wanted"),
    [
        pytest.param("kill {}", ("State", "Status"), "exited", id="dies"),
        pytest.param("restart --time 0 {}", ("RestartCount",), None, id="starts"),
        pytest.param("exec {} touch /tmp/well", ("State", "Health", "Status"), "healthy", id="gets-healthy"),
    ],
)
def test_wait_ends_when_it_happens(
    container: str, command: str, members: tuple[str, ...], wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is found without polling: one look before it, and others only after an event."""
    monkeypatch.setattr("runbook.polling._SELDOM", LONG)
    host = LocalHost({}, Heard())
    started = (host.engine.container(container, 10) or {})["State"]["StartedAt"]
    events = host.engine_events(PROJECT)
    looked: list[float] = []

    def observe() -> Observation:
        looked.append(time.monotonic())
        found = host.engine.container(container, 10) or {}
        seen = found
        for member in members:
            seen = seen[member]
        is_so = seen == wanted if wanted else found["State"]["StartedAt"] != started
        return Observation(is_so, str(seen))

    threading.Timer(2.0, docker, command.format(container).split()).start()
    began = time.monotonic()
    waited = wait_for(Check("it", observe, "look", LONG, interval=0.5, told_by_engine=True), waker=events)
    events.close()
    host.engine.close()
    assert waited.seen.ok
    assert time.monotonic() - began < LONG / 2
    assert [request.path for request in host._recorder.requests if "/events" in request.path]  # type: ignore[attr-defined]  # what it was made with
