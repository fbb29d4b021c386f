"""The incident `export-leak`: switched off, felt by everybody, on the release that runs, and switched on again."""

from datetime import datetime, timedelta
from pathlib import Path

import httpx

from rehearsal.incidents.catalogue import find_incident
from runbook.report.follow_up.follow_ups import follow_ups
from tests.engine.conftest import Rehearsed, docker, state
from tests.engine.judging import Scene, held, page, planned_and_executed, words

LIVE = "2025-12-15-rc1"


class TestExportLeak:
    """The export answers strangers, who ask 20 times a second while it is switched off."""

    incident = "export-leak"

    def statuses(self, here: Rehearsed) -> dict[str, set[int]]:
        """How exports and reports answer, without credentials and with."""
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

    def image_ids(self, here: Rehearsed) -> list[str]:
        names = [f"{here.practice.name}-{service}-1" for service in ("api", "jobs")]
        return [docker("inspect", "--format", "{{.Image}}", name) for name in names]

    def test_unknown_switch(self, scene: Scene) -> None:
        """A switch that no setting names is refused with those that there are, and nothing changes."""
        here, _ = scene
        before = state(here)
        ran = here.run("-m", "emergency", "--disable", "imports", "--execute", here.practice.name)
        held(here, before, ran, "no switch imports in the settings (there are: exports)")

    def test_plan_changes_nothing(self, scene: Scene) -> None:
        """A plan shows how it would be switched off, and the leak goes on."""
        here, _ = scene
        before = state(here)
        plan = here.run("-m", "emergency")
        assert plan.exit_code == 0, plan.terminal
        assert state(here) == before
        assert f"-m emergency --execute {here.practice.name}" in words(plan)
        assert 200 in self.statuses(here)["stranger"]

    def test_switched_off(self, scene: Scene) -> None:
        """Exports and reports are 404 for everybody, on the same release, whatever the env file's tag says."""
        here, _ = scene
        ids, images = here.ids(), self.image_ids(here)
        # Somebody has prepared the next deploy: the tag in the env file is not the one that runs (trap 1).
        text = here.env_file.read_text()
        here.env_file.write_text(text.replace("IMAGE_TAG=2025-12-22-rc1", f"IMAGE_TAG={LIVE}"))
        prepared = here.env_file.read_bytes()
        with find_incident(self.incident).strangers(here.practice) as load:
            recovery = "the switch exports is turned (EXPORT_MODE=off); release and schema stay as they are"
            ran = planned_and_executed(here, self.incident, recovery)
            felt = self.statuses(here)
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
        (off,) = follow_ups(ran.entries).switches_off
        assert (off.name, off.value, off.owner) == ("exports", "off", "the team that owns orders")
        assert datetime.fromisoformat(off.due) - datetime.fromisoformat(off.since) < timedelta(hours=24, seconds=1)
        (kept,) = follow_ups(ran.entries).left_files
        assert Path(kept.path).read_bytes() == prepared

    def test_switched_on_again(self, scene: Scene) -> None:
        """--enable takes it back: users with credentials are served, on the same release."""
        here, _ = scene
        images = self.image_ids(here)
        ran = here.run("-m", "emergency", "--enable", "exports", "--execute", here.practice.name)
        assert ran.exit_code == 0, ran.terminal
        assert self.statuses(here)["user"] == {200}
        assert self.inside(here) == ["on", "on"]
        assert self.image_ids(here) == images
        assert "Switched: EXPORT_MODE=on" in page(ran)
        assert follow_ups(ran.entries).switches_off == ()
