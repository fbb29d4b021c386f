"""The incident `export-leak`: the switch is turned off for everybody, on the running release, and on again."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import boto3
import httpx
import pytest

from rehearsal.incidents.catalogue import find_incident
from runbook.report.follow_up.follow_ups import follow_ups
from tests.engine.conftest import ROOT, Rehearsed, docker, state
from tests.engine.judging import Scene, held, page, planned_and_executed, words
from tests.engine.killer import VARIABLE
from tests.support.open_loop import OpenLoop
from tests.support.stores import ROOT_TOKEN, bao, moto_server, openbao_server

LIVE = "2025-12-15-rc1"


class InStore(NamedTuple):
    """A switch in a secret store: its settings, the login for a run, and its current value in the store."""

    address: str
    section: str
    environment: dict[str, str]
    says: Callable[[], str]


@contextmanager
def in_vault() -> Iterator[InStore]:
    with openbao_server() as url:
        bao(url, "POST", "secret/data/shop", data={"EXPORT_MODE": "on", "DB_PASSWORD": "password-4711"})
        section = f'\n[vault]\naddress = "{url}"\ntoken = {{ env = "VAULT_TOKEN" }}\n'
        yield InStore(
            '{ vault = "shop", key = "EXPORT_MODE" }',
            section,
            {"VAULT_TOKEN": ROOT_TOKEN},
            lambda: str(bao(url, "GET", "secret/data/shop")["data"]["data"]["EXPORT_MODE"]),
        )


@contextmanager
def in_ssm() -> Iterator[InStore]:
    login = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE4711", "AWS_SECRET_ACCESS_KEY": "testing-4711"}
    with moto_server() as url:
        ssm = boto3.client(
            "ssm",
            region_name="eu-central-1",
            endpoint_url=url,
            aws_access_key_id="AKIAEXAMPLE4711",
            aws_secret_access_key="testing-4711",
        )
        ssm.put_parameter(Name="/shop/EXPORT_MODE", Value="on", Type="String")
        yield InStore(
            '{ ssm = "/shop/EXPORT_MODE" }',
            f'\n[aws]\nregion = "eu-central-1"\nendpoint_url = "{url}"\n',
            login,
            lambda: str(ssm.get_parameter(Name="/shop/EXPORT_MODE")["Parameter"]["Value"]),
        )


class TestExportLeak:
    """The export answers strangers, who send 20 requests per second while it is switched off."""

    incident = "export-leak"

    def statuses(self, here: Rehearsed) -> dict[str, set[int]]:
        """Return the statuses of exports and reports, without credentials and with them."""
        line = next(line for line in here.env_file.read_text().splitlines() if "USER_TOKEN=" in line)
        token = line.partition("=")[2].split("#")[0].strip().strip("'\"")
        found = {}
        for who, headers in (("stranger", {}), ("user", {"Authorization": f"Bearer {token}"})):
            found[who] = {
                httpx.get(here.practice.gateway_url + path, headers=headers, trust_env=False, timeout=5).status_code
                for path in ("/exports/orders.csv", "/reports/daily")
            }
        return found

    def inside(self, here: Rehearsed) -> list[str]:
        return [
            docker("exec", f"{here.practice.name}-{service}-1", "printenv", "EXPORT_MODE")
            for service in ("api", "jobs")
        ]

    def gate(self, here: Rehearsed) -> str:
        return docker("exec", f"{here.practice.name}-gateway-1", "gate", "state")

    def image_ids(self, here: Rehearsed) -> list[str]:
        names = [f"{here.practice.name}-{service}-1" for service in ("api", "jobs")]
        return [docker("inspect", "--format", "{{.Image}}", name) for name in names]

    def test_unknown_switch(self, scene: Scene) -> None:
        """A switch that the settings do not name is refused with the known ones, and nothing changes."""
        here, _ = scene
        before = state(here)
        ran = here.run("-m", "emergency", "--disable", "imports", "--execute", here.practice.name)
        held(here, before, ran, "no switch imports in the settings (there are: exports)")

    def test_plan_changes_nothing(self, scene: Scene) -> None:
        """A plan shows how the switch would be turned off, and the leak continues."""
        here, _ = scene
        before = state(here)
        plan = here.run("-m", "emergency")
        assert plan.exit_code == 0, plan.terminal
        assert state(here) == before
        assert f"-m emergency --execute {here.practice.name}" in words(plan)
        assert 200 in self.statuses(here)["stranger"]

    def test_switched_off(self, scene: Scene) -> None:
        """Exports and reports are 404 for everybody, on the same release, whatever tag the env file has."""
        here, _ = scene
        ids, images = here.ids(), self.image_ids(here)
        # Somebody has prepared the next deploy: the tag in the env file is not the running one (trap 1).
        text = here.env_file.read_text()
        here.env_file.write_text(text.replace("IMAGE_TAG=2025-12-22-rc1", f"IMAGE_TAG={LIVE}"))
        prepared = here.env_file.read_bytes()
        others = OpenLoop(here.practice.gateway_url, ("/orders", "/healthz"), patience=25)
        with find_incident(self.incident).strangers(here.practice) as load, others.asking():
            recovery = "switch exports: EXPORT_MODE=off"
            ran = planned_and_executed(here, self.incident, recovery)
            felt = self.statuses(here)
        assert not others.refused_early()
        assert {each.status for each in others.answers} <= {200, 503}, "requests to other endpoints failed"
        print(f"slowest of {len(others.answers)}: {max(each.seconds for each in others.answers):.2f} s")  # noqa: T201
        assert [
            each["to"] for each in ran.of_kind("action") if each["state"] == "done" and "traffic" in each["action"]
        ] == ["held", "open"]
        assert felt == {"stranger": {404}, "user": {404}}
        assert here.practice.ask("/orders").status_code == 200
        assert self.inside(here) == ["off", "off"]
        assert self.image_ids(here) == images
        now = here.ids()
        assert {name for name in now if now[name] != ids[name]} == {
            f"{here.practice.name}-{s}-1" for s in ("api", "jobs")
        }
        assert here.env_file.read_bytes() == prepared.replace(b"EXPORT_MODE=on", b"EXPORT_MODE=off")
        first = load.first(404)
        assert first is not None
        assert load.count(200) > 0
        assert load.count(200, since=first.answered_at) == 0
        assert "Switched: EXPORT_MODE=off" in page(ran)
        announced = httpx.get(f"{here.practice.desk_url}/announcements", trust_env=False).json()
        assert f"{here.practice.name}: exports is off" in json.dumps(announced[-1])
        (off,) = follow_ups(ran.entries).switches_off
        assert (off.name, off.value, off.owner) == ("exports", "off", "the team that owns orders")
        assert datetime.fromisoformat(off.due) - datetime.fromisoformat(off.since) < timedelta(hours=24, seconds=1)
        (kept,) = follow_ups(ran.entries).left_files
        assert Path(kept.path).read_bytes() == prepared

    def test_stopped_while_requests_wait(self, scene: Scene) -> None:
        """A run killed while the gate holds says so. Resumed, it turns the switch, and the gate opens."""
        here, _ = scene
        turn = ("-m", "emergency", "--enable", "exports")
        settings = ("--settings", str(here.practice.settings), "--reports", str(here.reports))
        killing = {VARIABLE: "last:user traffic is held"}
        ran = here.run("-p", "tests.engine.killer", *turn, "--execute", here.practice.name, environment=killing)
        assert (ran.exit_code, self.gate(here)) == (-9, "held")
        assert ran.folder is not None
        status = [sys.executable, "-m", "runbook", "status", *settings]
        told = " ".join(subprocess.run(status, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())
        assert "gate held: a request waits for 20 s at most, and is then refused" in told
        resume = ("-m", "emergency", "--resume", ran.folder.name, "--execute", here.practice.name)
        finished = here.run(*resume)
        assert finished.exit_code == 0, finished.terminal
        assert (self.gate(here), self.inside(here)) == ("open", ["on", "on"])
        off = here.run("-m", "emergency", "--disable", "exports", "--execute", here.practice.name)
        assert off.exit_code == 0, off.terminal

    def test_gate_that_cannot_hold_is_left_alone(self, scene: Scene, tmp_path: Path) -> None:
        """An emergency closes no gate."""
        here, _ = scene
        settings = tmp_path / "runbook.toml"
        text = here.practice.settings.read_text()
        settings.write_text("\n".join(line for line in text.splitlines() if not line.startswith("hold")))
        ran = here.run("-m", "emergency", "--enable", "exports", "--execute", here.practice.name, settings=settings)
        assert ran.exit_code == 0, ran.terminal
        turned = {(each["state"], each["evidence"]) for each in ran.of_kind("action") if "traffic" in each["action"]}
        assert turned == {("already so", "the gate cannot hold requests: traffic keeps flowing")}
        off = here.run("-m", "emergency", "--disable", "exports", "--execute", here.practice.name, settings=settings)
        assert off.exit_code == 0, off.terminal

    def test_switched_on_again(self, scene: Scene) -> None:
        """--enable restores access: users with credentials are served, on the same release."""
        here, _ = scene
        images = self.image_ids(here)
        ran = here.run("-m", "emergency", "--enable", "exports", "--execute", here.practice.name)
        assert ran.exit_code == 0, ran.terminal
        assert self.statuses(here)["user"] == {200}
        assert self.inside(here) == ["on", "on"]
        assert self.image_ids(here) == images
        assert "Switched: EXPORT_MODE=on" in page(ran)
        assert follow_ups(ran.entries).switches_off == ()

    @pytest.mark.parametrize("store", [in_vault, in_ssm])
    def test_switched_off_and_on_in_a_store(
        self, scene: Scene, tmp_path: Path, store: Callable[[], AbstractContextManager[InStore]]
    ) -> None:
        """The store, its copy in the env file and the containers change together. The store's login is on no record."""
        here, _ = scene
        with store() as switch:
            settings = tmp_path / "runbook.toml"
            header = "[switches.exports]\n"
            text = here.practice.settings.read_text().replace(header, f"{header}store = {switch.address}\n")
            settings.write_text(text + switch.section)
            for way, value in (("--disable", "off"), ("--enable", "on")):
                turn = ("-m", "emergency", way, "exports", "--execute", here.practice.name)
                ran = here.run(*turn, settings=settings, environment=switch.environment)
                assert ran.exit_code == 0, ran.terminal
                assert switch.says() == value
                assert f"EXPORT_MODE={value}" in here.env_file.read_text()
                assert self.inside(here) == [value, value]
                secrets = ("password-4711", "testing-4711", ROOT_TOKEN)
                assert not [secret for secret in secrets if secret in page(ran)]
