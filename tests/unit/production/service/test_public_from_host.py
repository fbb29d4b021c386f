"""The public address, requested from the production host too, through a real SSH connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient
from runbook.hosts.ssh.connection import Connection
from runbook.polling import wait_for
from runbook.production.service.traffic import TrafficGate
from runbook.settings.application import TrafficSettings
from tests.support.parts import Heard, Reply, production, serving
from tests.support.ssh_server import needs_sshd, ssh_server

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as server, server.connection() as found:
        yield found


def gate_at(folder: Path, url: str, there: HttpClient | None, *, also: bool = True) -> TrafficGate:
    settings = TrafficSettings(public_url=url, release_header="X-Release", also_from_host=also)
    return TrafficGate(production(folder), HttpClient(5, Heard()), settings, 0.1, there)


def test_both_must_be_served(connection: Connection, tmp_path: Path) -> None:
    """The public address is requested from here and from the host, and both must see the target."""
    releases = ["v1", "v1", "v1", "v2"]
    http = HttpClient(5, Heard(), connection)
    with serving(lambda _: Reply(200, headers={"X-Release": releases.pop(0)})) as found:
        gate = gate_at(tmp_path, found.url, http)
        good = wait_for(gate.check_serves("v1")).seen
        assert (good.ok, good.seen) == (True, f"{found.url}/ answers 200 from v1, and the host 200 from v1")
        bad = gate.check_serves("v1").observe()
        assert (bad.ok, bad.seen) == (False, f"{found.url}/ answers 200 from v1, and the host 200 from v2")
    http.close()


def test_only_if_set(connection: Connection, tmp_path: Path) -> None:
    """Without the setting, or without an SSH host, the public address is requested once."""
    asked = []
    http = HttpClient(5, Heard(), connection)
    with serving(lambda _: asked.append(1) or Reply(200, headers={"X-Release": "v1"})) as found:  # type: ignore[func-returns-value]  # to count
        for gate in (gate_at(tmp_path, found.url, http, also=False), gate_at(tmp_path, found.url, None)):
            assert gate.check_answers().observe().seen == f"{found.url}/ answers 200"
    assert len(asked) == 2
    http.close()


def test_host_that_does_not_reach_it(tmp_path: Path) -> None:
    """If the host cannot reach the public address, the first check of the gate reports it, and names the setting."""
    refusing = ("AllowTcpForwarding no", "AllowStreamLocalForwarding no")
    with (
        ssh_server(tmp_path / "s", *refusing) as server,
        server.connection() as connection,
        serving(lambda _: Reply(200, headers={"X-Release": "v1"})) as found,
    ):
        http = HttpClient(5, Heard(), connection)
        gate = gate_at(tmp_path, found.url, http)
        for check in (gate.check_consistent(lambda: True), gate.check_serves("v1")):
            with pytest.raises(Inconclusive, match=r"from the production host .* gave no answer") as caught:
                check.observe()
            assert "traffic.also_from_host = false" in caught.value.next_step
        http.close()
