"""First use on a real production: init, doctor and plan, and plans whose settings leave out one part, or all."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from rehearsal.incidents.catalogue import Planted
from runbook.settings.absent import Absent
from runbook.settings.loading.loader import load
from tests.engine.conftest import ROOT, Ran, Rehearsed, docker

Scene = tuple[Rehearsed, Planted]


def without(here: Rehearsed, *sections: str) -> str:
    """Return this production's settings without these sections."""
    text = here.practice.settings.read_text()
    for name in sections:
        text = re.sub(rf"^\[{re.escape(name)}\]\n(?:.+\n)*\n?", "", text, flags=re.MULTILINE)
    return text


def planned(here: Rehearsed, folder: Path, text: str, *arguments: str) -> Ran:
    path = folder / "runbook.toml"
    path.write_text(text)
    return here.run(*arguments, settings=path)


def not_configured(ran: Ran) -> set[str]:
    """Return what the steps that were not configured say about that."""
    ended = [entry for entry in ran.of_kind("step ended") if entry["outcome"] == "not configured"]
    return {str(entry["detail"]) for entry in ended}


class TestPartsLeftOut:
    """Each part is left out separately, and all at once: the plan completes, and says what follows."""

    incident = "regression"

    @pytest.mark.parametrize(
        ("sections", "absent"),
        [
            (["health"], [Absent.HEALTH]),
            (["metrics"], [Absent.METRICS]),
            (["announcement"], [Absent.ANNOUNCEMENT]),
            (["ticket"], [Absent.TICKET]),
            (["incident_log"], [Absent.INCIDENT_LOG]),
            (["registry"], []),
            (["switches.exports"], []),
            (["traffic", "metrics"], [Absent.GATE, Absent.PUBLIC_ADDRESS, Absent.METRICS]),
        ],
        ids=lambda value: "+".join(value) if value and isinstance(value[0], str) else "",
    )
    def test_one_part(self, scene: Scene, tmp_path: Path, sections: list[str], absent: list[Absent]) -> None:
        """The strategy is still found, and a part that is not configured is never queried."""
        ran = planned(scene[0], tmp_path, without(scene[0], *sections))
        assert ran.exit_code == 0, ran.terminal
        assert not_configured(ran) == {each.told for each in absent}
        assert ran.fact("strategy") == "image-only"
        assert ran.of_kind("closed")[-1]["outcome"] == "planned"

    def test_no_gate(self, scene: Scene, tmp_path: Path) -> None:
        """The public address is probed; nothing is paused, and the plan says that users will notice the switch."""
        text = re.sub(
            r"^(pause|resume|state|hold) = .+\n", "", scene[0].practice.settings.read_text(), flags=re.MULTILINE
        )
        ran = planned(scene[0], tmp_path, text)
        assert ran.exit_code == 0, ran.terminal
        assert not_configured(ran) == {Absent.GATE.told}
        assert [entry for entry in ran.of_kind("action") if "traffic" in str(entry["summary"])] == []
        assert ran.of_kind("availability") != []

    def test_no_database(self, scene: Scene, tmp_path: Path) -> None:
        """A person is asked once. With the answer, the plan continues."""
        text = without(scene[0], "database", "migrations")
        asked = planned(scene[0], tmp_path, text)
        assert asked.exit_code == 6, asked.terminal
        ran = planned(scene[0], tmp_path, text, "--no-migrations", "--because", "this release has none")
        assert ran.exit_code == 0, ran.terminal
        assert not_configured(ran) == {Absent.DATABASE.told}

    def test_only_the_project(self, scene: Scene, tmp_path: Path) -> None:
        """Executed: production runs the target, and the record says what was not checked."""
        kept = without(scene[0], "registry", "database", "migrations", "traffic", "health", "metrics", "logs",
                       "switches.exports", "announcement", "ticket", "incident_log")  # fmt: skip
        word = ("--no-migrations", "--because", "this release has none")
        ran = planned(scene[0], tmp_path, kept, *word, "--execute", scene[0].practice.name)
        assert ran.exit_code == 0, ran.terminal
        assert {Absent.DATABASE.told, Absent.GATE.told, Absent.HEALTH.told} <= not_configured(ran)
        assert "not configured, so neither done nor checked" in ran.terminal
        assert "IMAGE_TAG=2025-12-15-rc1" in scene[0].env_file.read_text()


class TestDatabaseElsewhere:
    """The database is reached by its URL, with programs of an image on the host. It is not in the Compose project."""

    incident = "breaking-migration"

    def test_schema_goes_back_behind_a_restore_point(self, scene: Scene, tmp_path: Path) -> None:
        """Judged, dumped, read back and downgraded. The password is in no command and in no file of the record."""
        here = scene[0]
        container = f"{here.practice.name}-db-1"
        told = "{{.Config.Image}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        inspected = docker("inspect", "--format", told, container)
        image, address = inspected.split()[:2]
        url = r"postgresql\+psycopg://shop:(\S+)@db:5432/shop"
        found = re.search(url, here.env_file.read_text())
        assert found is not None
        secret = tmp_path / "database_url"
        secret.write_text(f"postgresql://shop:{found[1]}@{address}:5432/shop")
        text = without(here, "database") + f'\n[database]\nurl = {{ file = "{secret}" }}\nimage = "{image}"\n'
        ran = planned(here, tmp_path, text, "--accept-loss", "0004_customers", "--execute", here.practice.name)
        assert ran.exit_code == 0, ran.terminal
        assert ran.fact("strategy") == "downgrade"
        dump = ran.fact("restore point")
        assert dump["size"] > 0
        assert "--host" in dump["restore"]["beside"][2]["command"]
        commands = [str(entry["command"]) for entry in ran.of_kind("command")]
        assert any("pg_dump --host" in command for command in commands)
        password = unquote(found[1])
        assert ran.folder is not None
        for path in ran.folder.rglob("*"):
            assert not path.is_file() or password not in path.read_text(errors="replace"), path


def called(here: Rehearsed, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the deploying user does, with docker's login."""
    environment = os.environ | {"DOCKER_CONFIG": str(here.practice._layout.docker_config), "COLUMNS": "80"}
    command = [sys.executable, "-m", "runbook", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


class TestEntrance:
    """A clone, a production without settings in this repository, and three commands."""

    incident = "regression"

    def test_init_doctor_plan(self, scene: Scene, tmp_path: Path) -> None:
        """The settings load, contain no secret and describe production. doctor and plan work with them unchanged."""
        here, settings = scene[0], tmp_path / "runbook.toml"
        ids, env_file = here.ids(), here.env_file.read_bytes()
        begun = called(here, "init", str(here.practice.server), "--settings", str(settings))
        assert begun.returncode == 0, begun.stderr
        found = load(settings)
        assert (found.project.tag_variable, set(found.project.services)) == ("IMAGE_TAG", {"api", "jobs"})
        assert found.database is not None
        assert (found.database.service, found.database.user) == ("db", "shop")
        assert found.migrations.config == "alembic.ini"
        assert found.health is not None
        assert found.health.readiness_path == "/readyz"
        secret = re.findall(
            r"^(?:METRICS_TOKEN|POSTGRES_PASSWORD|USER_TOKEN)=['\"]?([^'\"\s]+)", env_file.decode(), re.MULTILINE
        )
        assert len(secret) == 3
        assert [each for each in secret if each in settings.read_text()] == []
        again = called(here, "init", str(here.practice.server), "--settings", str(settings))
        assert (again.returncode, "not overwritten" in again.stderr) == (1, True)
        examined = called(here, "doctor", "--settings", str(settings))
        assert "could I roll back tonight?" in examined.stdout, examined.stderr
        assert max(map(len, examined.stdout.splitlines())) <= 80
        said = called(here, "status", "--settings", str(settings), "--reports", str(tmp_path / "reports"))
        assert said.returncode == 0, said.stderr
        assert "next: runbook validate" in said.stdout
        plan = called(here, "plan", "--settings", str(settings), "--reports", str(tmp_path / "reports"))
        assert plan.returncode == 0, plan.stdout
        assert "features --settings" in plan.stdout.splitlines()[0]
        assert "→ image-only" in plan.stdout
        for output in (examined.stdout, said.stdout, plan.stdout):
            assert [each for each in secret if each in output] == []
        assert (here.ids(), here.env_file.read_bytes()) == (ids, env_file)
        if kept := os.environ.get("KEEP_ENTRANCE"):
            for name, text in (
                ("settings", settings.read_text()),
                ("doctor", examined.stdout),
                ("status", said.stdout),
            ):
                Path(kept, name).write_text(text)
        assert examined.returncode == 0, examined.stdout
