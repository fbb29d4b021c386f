"""An engine over ssh is reached through `docker system dial-stdio`, as `docker` itself does."""

import sys
import time
from pathlib import Path

import pytest

from runbook.errors import EngineError
from runbook.hosts.local import LocalHost
from tests.support.engine_server import FakeEngine
from tests.support.parts import Heard

# Passes bytes on in both directions until either end is closed.
_DIAL = """\
#!{python}
import os, select, socket, sys
open("{log}", "a").write(" ".join(sys.argv[1:]) + "\\n")
engine = socket.socket(socket.AF_UNIX)
engine.connect("{path}")
ways = {{0: engine.fileno(), engine.fileno(): 1}}
while True:
    for source in select.select(list(ways), [], [])[0]:
        data = os.read(source, 65536)
        if not data:
            sys.exit()
        os.write(ways[source], data)
"""


def dialing(folder: Path, engine: FakeEngine) -> dict[str, str]:
    """Return an environment whose `docker` reaches `engine`, and notes its arguments in the file `log`."""
    path = engine.url.removeprefix("unix://")
    (folder / "docker").write_text(_DIAL.format(python=sys.executable, log=folder / "log", path=path))
    (folder / "docker").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "DOCKER_HOST": "ssh://deploy@prod-1"}


def test_engine_over_ssh_is_looked_at(tmp_path: Path) -> None:
    """An engine over ssh is asked at the given address, and requests are recorded as usual."""
    engine, heard = FakeEngine(info={"Name": "prod-1"}), Heard()
    host = LocalHost(dialing(tmp_path, engine), heard)
    assert host.engine.info(30)["Name"] == "prod-1"
    assert [request.path for request in heard.requests] == ["/version", "/v1.47/info"]
    assert set((tmp_path / "log").read_text().splitlines()) == {"--host ssh://deploy@prod-1 system dial-stdio"}
    host.engine.close()


def test_events_over_ssh_are_heard(tmp_path: Path) -> None:
    """The event stream of an engine over ssh is opened."""
    engine = FakeEngine()
    events = LocalHost(dialing(tmp_path, engine), Heard()).engine_events("shop")
    events.wait(30, 30)
    end = time.monotonic() + 30
    while not events.is_open:
        assert time.monotonic() < end
        time.sleep(0.01)
    events.close()


@pytest.mark.parametrize("script", ["exit 1", None])
def test_ssh_that_fails_is_no_answer(tmp_path: Path, script: str | None) -> None:
    """If ssh fails, the error names the engine's ssh address and a command that shows the cause."""
    if script is not None:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
    host = LocalHost({"PATH": str(tmp_path), "DOCKER_HOST": "ssh://deploy@prod-1"}, Heard())
    with pytest.raises(EngineError, match="could not reach a Docker engine at ssh://deploy@prod-1") as raised:
        host.engine.info(30)
    assert raised.value.next_step.endswith("docker --host ssh://deploy@prod-1 version")
