"""If a real engine keeps no logs, or cannot return them, the errors in them are unknown."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.images.parts import BASE_IMAGE
from runbook.errors import Inconclusive
from runbook.production.logs.reader import Logs
from runbook.settings.application import LogSettings
from tests.support.parts import production

SPEAKS = ["sh", "-c", 'echo "$0"; exec sleep 600', "\x1b[31mERROR\x1b[0m: no price"]
SERVICES: dict[str, dict[str, Any]] = {
    "speaks": {"command": SPEAKS},
    "silent": {"command": ["sleep", "600"]},
    "unkept": {"command": SPEAKS, "logging": {"driver": "none"}},
    "remote": {
        "command": SPEAKS,
        "logging": {"driver": "syslog", "options": {"syslog-address": "udp://127.0.0.1:9", "cache-disabled": "true"}},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A Compose project whose services log in different ways: its folder and its name."""
    folder, name = tmp_path_factory.mktemp("logs"), f"logs-{uuid.uuid4().hex[:6]}"
    services = {service: {"image": BASE_IMAGE, "init": True} | more for service, more in SERVICES.items()}
    (folder / "docker-compose.yml").write_text(json.dumps({"services": services}))
    (folder / ".env").write_text("")
    compose = ["docker", "compose", "-p", name]
    try:
        subprocess.run([*compose, "up", "-d"], cwd=folder, check=True, capture_output=True, timeout=120)
        yield folder, name
    finally:
        subprocess.run([*compose, "down", "-t", "0"], cwd=folder, check=True, capture_output=True, timeout=120)


def counts(project: tuple[Path, str], *services: str) -> dict[str, int]:
    folder, name = project
    found = Logs(production(folder, name=name), LogSettings(services=services), str).recent()
    return dict(found.counts)


def test_what_is_kept_is_read(project: tuple[Path, str]) -> None:
    """An error in colored output is found. A silent service next to it does no harm."""
    assert counts(project, "speaks", "silent") == {"speaks: ERROR: no price": 1}


@pytest.mark.parametrize("service", ["silent", "unkept", "remote"])
def test_what_is_not_kept_is_not_known(project: tuple[Path, str], service: str) -> None:
    """Without readable logs of one service the errors are unknown, even if another service's logs can be read."""
    with pytest.raises(Inconclusive):
        counts(project, service)
    if service != "silent":
        with pytest.raises(Inconclusive):
            counts(project, "speaks", service)
