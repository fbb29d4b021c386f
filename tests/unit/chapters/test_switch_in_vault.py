"""Chapter 4's steps on a production whose switch, and whose user's token, are in a real OpenBao."""

import json
from pathlib import Path

import pytest

from runbook.actions import Outcome
from runbook.chapters import emergency_disablement
from runbook.chapters.context import Context, learn_production
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from runbook.incident.options import Options
from runbook.journal.journal import Journal
from runbook.production.compose import Production
from runbook.secrets.known import redactor_for
from runbook.settings.loading.loader import load
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import READS_VALUES
from tests.support.parts import SETTINGS
from tests.support.stores import ROOT_TOKEN, bao, openbao_server

CONTENT = {"EXPORT_MODE": "on", "DB_PASSWORD": "password-4711", "USER": "user-4711"}
MORE = """
[host]
environment = {{ PATH = "{folder}/bin:/usr/bin:/bin" }}

[vault]
address = "{url}"
token = {{ env = "LOGIN_OF_RUNBOOK" }}

[switches.exports]
variable = "EXPORT_MODE"
paths = ["/exports"]
store = {{ vault = "shop", key = "EXPORT_MODE" }}
credential = {{ vault = "shop", key = "USER" }}
inside = ["printmode"]
"""
DOCKER = f"""#!/bin/sh
case "$*" in
    *'-f - '*config*) exec {READS_VALUES} "$@";;
    *'config --format json'*) cat "${{0%/*}}/../project";;
    'exec c0ffee printmode') cat "${{0%/*}}/../inside";;
esac
"""


def production(folder: Path) -> FakeEngine:
    """One api container, as the fake engine and the fake docker report it."""
    label = "com.docker.compose"
    labels = {
        f"{label}.project": "shop",
        f"{label}.oneoff": "False",
        f"{label}.service": "api",
        f"{label}.project.working_dir": str(folder),
    }
    container = {
        "Id": "c0ffee",
        "Name": "/shop-api-1",
        "Image": "sha256:1",
        "Config": {"Labels": labels, "Image": "shop/api:v1"},
        "State": {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z", "ExitCode": 0},
        "NetworkSettings": {"Networks": {}},
    }
    (folder / "project").write_text(json.dumps({"services": {"api": {"image": "shop/api:v1"}}}))
    (folder / "inside").write_text("on\n")
    (folder / ".env").write_text("IMAGE_TAG=v1\n")
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text(DOCKER)
    (folder / "bin/docker").chmod(0o755)
    return FakeEngine([container])


def test_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch changes only in OpenBao, the container sees it, and no secret of OpenBao is in the journal."""
    monkeypatch.setenv("LOGIN_OF_RUNBOOK", ROOT_TOKEN)
    engine = production(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    with openbao_server() as url:
        bao(url, "POST", "secret/data/shop", data=CONTENT)
        text = SETTINGS.replace('"/srv/shop"', f'"{tmp_path}"') + MORE.format(folder=tmp_path, url=url)
        (tmp_path / "runbook.toml").write_text(text)
        settings = load(tmp_path / "runbook.toml")
        redactor = redactor_for(settings)
        incident = Executor("i-1", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", redactor))
        host = LocalHost(settings.host.environment, incident)
        learn_production(settings, Production(host, settings.project, settings.deadlines), redactor)
        known = "[secret Vault login] [secret credential of exports] [secret DB_PASSWORD] on"
        assert redactor.text(f"{ROOT_TOKEN} user-4711 password-4711 on") == known

        context = Context(settings, incident, Options(disable="exports"))
        seen = emergency_disablement.set_in_place(context).observe().seen
        assert seen == "EXPORT_MODE of shop in Vault says on; the token may set it"
        assert context.switch.check_reaches_containers().observe().seen == "shop-api-1 sees on"
        incident.step_began({"id": "4.3.2", "keyword": "When", "text": "it is changed"}, may_change=True)
        incident.take(context.switch.set_in_place("i-1"), context.host)
        assert incident.step_ended().outcome is Outcome.PASSED
        assert bao(url, "GET", "secret/data/shop")["data"]["data"] == CONTENT | {"EXPORT_MODE": "off"}
        (tmp_path / "inside").write_text("off\n")
        assert context.switch.check_inside_containers().observe().ok
        context.close()
    journal = (tmp_path / "journal.jsonl").read_text()
    assert not [secret for secret in (ROOT_TOKEN, "user-4711", "password-4711") if secret in journal]
