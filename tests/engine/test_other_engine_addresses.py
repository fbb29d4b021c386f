"""An engine at another address, by DOCKER_HOST or by a docker context: both CLI and SDK use it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.engine.conftest import Ran, Rehearsed

_ENGINE = "/var/run/docker.sock"


class Relay:
    """A socket that leads to the engine, and records the beginning of each connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[bytes] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(_ENGINE)
                threading.Thread(target=self._relay, args=(near, far), daemon=True).start()

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on both ways. One may end long before the other, as when nothing more is written to a container."""
        with near, far:
            answering = threading.Thread(target=self._pass_on, args=(far, near, False), daemon=True)
            answering.start()
            self._pass_on(near, far, asked=True)
            answering.join()

    def _pass_on(self, source: socket.socket, target: socket.socket, asked: bool) -> None:  # noqa: FBT001 - a thread's
        with suppress(OSError):
            while content := source.recv(65536):
                if asked:
                    self.heard.append(content)
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)

    def agents(self) -> set[str]:
        """Return the first words of the user agents that connected."""
        lines = b"\n".join(self.heard).split(b"\r\n")
        return {line.split(b" ")[1].split(b"/")[0].decode() for line in lines if line.startswith(b"User-Agent: ")}


@contextmanager
def relay_in(folder: Path) -> Iterator[Relay]:
    relay = Relay(folder / "e.sock")
    try:
        yield relay
    finally:
        relay.close()


@pytest.mark.parametrize("by", ["DOCKER_HOST", "DOCKER_CONTEXT", "currentContext"])
def test_plan_at_another_address(broken: Rehearsed, tmp_path: Path, by: str) -> None:
    """A plan passes there as at the usual address, and nothing uses another engine."""
    config = broken.practice.folder / "docker-config" / "config.json"
    kept = config.read_text()
    with relay_in(tmp_path) as relay:
        url = f"unix://{relay.path}"
        if by != "DOCKER_HOST":
            broken.docker("context", "create", "elsewhere", "--docker", f"host={url}")
        if by == "currentContext":
            config.write_text(json.dumps(json.loads(kept) | {"currentContext": "elsewhere"}))
        given = {"DOCKER_HOST": {by: url}, "DOCKER_CONTEXT": {by: "elsewhere"}}.get(by, {})
        try:
            ran: Ran = broken.run(environment=given)
        finally:
            config.write_text(kept)
            if by != "DOCKER_HOST":
                broken.docker("context", "rm", "elsewhere")
        assert ran.exit_code == 0, ran.terminal
        # Compose identifies itself as Compose, or as the docker client it belongs to.
        assert "docker-sdk-python" in relay.agents()
        assert {"Docker-Client", "compose"} & relay.agents()
