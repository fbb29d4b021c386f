"""The project that tries a target beside production: what the program needs, and no way to production."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.startup import check as startup_check
from runbook.chapters.startup import signs
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.chapters.startup.signs import Signs
from runbook.errors import EngineError, Inconclusive
from runbook.incident.facts import Facts
from runbook.release import ImageName, Release
from runbook.secrets.redactor import Redactor
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.support.engine_server import FakeEngine, frame
from tests.support.engine_server import container as engine_container
from tests.support.incident_parts import DEADLINES
from tests.support.parts import host


def container(service: str, state: str = "running") -> Any:
    return SimpleNamespace(service=service, name=f"shop-{service}-1", image_id=f"sha256:{service}", state=state)


def project(folder: Path, services: dict[str, Any], *running: Any) -> dict[str, Any]:
    """Return the project for a trial of v1, from Compose's output for these services."""
    as_now = {
        name: given | {"image": str(given.get("image", "")).replace("v1", "v2")} for name, given in services.items()
    }
    production = SimpleNamespace(
        config=lambda _tag: {"services": services, "secrets": {"key": {"file": "/srv/key"}}, "volumes": {"data": {}}},
        services=lambda: as_now,
        containers=lambda: [container("db"), container("api"), *running],
    )
    context: Any = SimpleNamespace(
        incident=SimpleNamespace(name="20251218T031502Z-shop-rollback", facts=Facts()),
        host=host(),
        production=production,
        settings=SimpleNamespace(
            deadlines=DEADLINES,
            database=DatabaseSettings(user="shop", name="shop"),
            project=Project.model_validate({"name": "shop", "directory": str(folder), "services": ["api"]}),
        ),
    )
    release: Any = SimpleNamespace(tag="v1", digests={"api": "sha256:1"}, pinned=lambda name: f"shop/{name}@sha256:1")
    return ScratchProject(context, release)._project()


DB: dict[str, Any] = {
    "image": "postgres:15",
    "hostname": "pg",
    "command": ["postgres", "-c", "config_file=/etc/own.conf"],
    "environment": {"POSTGRES_USER": "shop"},
    "volumes": [{"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"}],
    "networks": {"back": {"aliases": ["database.internal"]}},
    "ports": [{"published": "5432"}],
}


def test_nothing_leads_to_production(tmp_path: Path) -> None:
    """Ports, volumes, sockets, devices, other networks and names are removed; a mounted folder stays, read-only."""
    (tmp_path / "config").mkdir()
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "run/s"))
        mounts = [
            {"type": "bind", "source": str(tmp_path / "config"), "target": "/config"},
            {"type": "bind", "source": str(tmp_path / "run"), "target": "/run/postgresql", "read_only": True},
            {"type": "bind", "source": str(tmp_path / "gone"), "target": "/gone"},
            {"type": "volume", "source": "uploads", "target": "/uploads"},
        ]
        api = {
            "image": "shop/api:v1", "command": ["serve"], "environment": {"A": "x$$y"}, "volumes": mounts,
            "ports": [{"target": 80}], "privileged": True, "network_mode": "host", "container_name": "shop-api",
            "extra_hosts": ["db=10.0.0.5"], "pid": "host", "devices": ["/dev/sda"], "read_only": True,
        }  # fmt: skip
        made = project(tmp_path, {"api": api, "db": DB})
    labels = made["services"]["api"].pop("labels")
    assert made["services"]["api"] == {
        "image": "shop/api@sha256:1",
        "command": ["serve"],
        "environment": {"A": "x$$y"},
        "read_only": True,
        "volumes": [{"type": "bind", "source": str(tmp_path / "config"), "target": "/config", "read_only": True}],
        "restart": "no",
        "logging": {"driver": "json-file", "options": {"max-size": "10m"}},
    }
    assert made["networks"] == {"default": {"internal": True, "labels": labels}}
    assert "volumes" not in made


def test_database_is_production_s_image_and_names(tmp_path: Path) -> None:
    """The database has production's running image and all its names, but none of its data or files."""
    database = project(tmp_path, {"api": {"image": "shop/api:v1"}, "db": DB})["services"]["db"]
    assert database["image"] == "sha256:db"
    assert database["networks"] == {"default": {"aliases": ["db", "shop-db-1", "pg", "database.internal"]}}
    assert not {"volumes", "ports", "command", "hostname"} & set(database)


def test_what_the_release_depends_on_is_there(tmp_path: Path) -> None:
    """Running dependencies are started; stopped ones and one-shot migrations of the release are not."""
    services = {
        "api": {"image": "shop/api:v1", "depends_on": {"db": {}, "migrate": {}, "mq": {}, "off": {}}},
        "migrate": {"image": "shop/api:v1"},
        "mq": {"image": "mq:3", "depends_on": {"cache": {}}},
        "cache": {"image": "cache:7"},
        "off": {"image": "off:1"},
        "db": DB,
    }
    running = (container("migrate", "exited"), container("mq"), container("cache"), container("off", "exited"))
    assert list(project(tmp_path, services, *running)["services"]) == ["db", "api", "mq", "cache"]


def test_no_database_no_trial(tmp_path: Path) -> None:
    """A database that is not a service of the project is reported."""
    with pytest.raises(Inconclusive, match="no service db"):
        project(tmp_path, {"api": {"image": "shop/api:v1"}})


@pytest.mark.parametrize(
    ("declared", "signs", "ok", "words"),
    [
        (True, Signs(), False, "it migrates when it starts (migrations.at_start"),
        (
            False,
            Signs(commands=("./start (alembic)",)),
            True,
            "it does not migrate when it starts (migrations.at_start",
        ),
        (None, Signs(commands=("./start (alembic)",)), False, "api migrates in ./start (alembic)"),
    ],
)
def test_what_is_known_needs_no_trial(
    declared: bool | None,  # noqa: FBT001 - the value in the settings
    signs: Signs,
    ok: bool,  # noqa: FBT001 - a row of the table
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings decide first, then the start command; nothing is started for either."""
    monkeypatch.setattr(startup_check, "signs_of", lambda *_: signs)
    context: Any = SimpleNamespace(
        incident=SimpleNamespace(facts=Facts()),
        settings=SimpleNamespace(migrations=MigrationSettings(at_start=declared)),
        production=SimpleNamespace(services=lambda _tag: {"api": {}}, rolled_back=("api",)),
    )
    images = {name: ImageName.parse("r.example/shop/api:v1") for name in ("api", "migrate")}
    release = Release("v1", images, dict.fromkeys(images, "sha256:1"))
    seen = startup_check.migrates_not_at_start(context, release).observe()
    assert (seen.ok, seen.final) == (ok, True)
    assert words in seen.seen


@pytest.mark.parametrize(
    ("printed", "code"),
    [
        ("", 0),
        ("[]", 0),
        ("{}", 0),
        ('{"commands": 7, "code": []}', 0),
        ("no JSON", 0),
        ("[" * 200_000, 0),
        ('{"commands": [], "code": []}', 1),
    ],
    ids=range(7),
)
def test_image_that_is_not_read_has_no_signs(printed: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image whose files cannot be read is reported as unread, in a short printable text."""
    answer = SimpleNamespace(text=printed, exit_code=code, last_line="odd \x1b[2J" + "word " * 1000)
    monkeypatch.setattr(signs, "run_contained", lambda *_: answer)
    monkeypatch.setattr(signs, "_start_command", lambda *_: ["serve"])
    context: Any = SimpleNamespace(
        host=host(), settings=SimpleNamespace(migrations=MigrationSettings(), deadlines=DEADLINES)
    )
    unread = signs.signs_of(context, "image", {}).unread
    assert unread.startswith(f"python3 in the image could not read it: exit code {code}: odd ")
    assert unread.isprintable()
    assert len(unread) < 300


def test_containers_that_nobody_can_read() -> None:
    """An invalid container list from the engine is an EngineError, without a traceback."""
    odd = {"Id": "c1", "Config": {"Labels": {"com.docker.compose.project": "i-trial"}}}
    engine = FakeEngine([odd])
    context: Any = SimpleNamespace(
        incident=SimpleNamespace(name="i"),
        host=host(environment=engine.environment),
        settings=SimpleNamespace(deadlines=DEADLINES),
    )
    with pytest.raises(EngineError, match="list of containers could not be read"):
        ScratchProject(context, SimpleNamespace(digests={})).containers()  # type: ignore[arg-type]


def test_log_of_a_trial_shows_no_secret() -> None:
    """The log has the last lines of both streams, without secrets."""
    labels = {"com.docker.compose.project": "i-trial", "com.docker.compose.service": "api"}
    log = frame("INFO begun\n") + frame("cannot log in with pa$word-4711\n", 2)
    engine = FakeEngine([engine_container("c1", labels=labels)], logs={"c1": log})
    redactor = Redactor()
    redactor.learn("PASSWORD", "pa$word-4711")
    context: Any = SimpleNamespace(
        incident=SimpleNamespace(name="i", journal=SimpleNamespace(redactor=redactor)),
        host=host(environment=engine.environment),
        settings=SimpleNamespace(deadlines=DEADLINES),
    )
    scratch = ScratchProject(context, SimpleNamespace(digests={"api": "sha256:1"}))  # type: ignore[arg-type]
    (found,) = scratch.containers()
    assert scratch.log(found) == "INFO begun\ncannot log in with [secret PASSWORD]\n"
    assert "tail=200" in engine.asked[-1]


def test_what_cannot_be_removed_is_told_with_one_command() -> None:
    """If the trial cannot be removed, the error gives one command, which also removes the network."""
    broken = SimpleNamespace(now=time.time, run=lambda _command: SimpleNamespace(exit_code=1, last_line="no"))
    context: Any = SimpleNamespace(
        incident=SimpleNamespace(name="I"), host=broken, settings=SimpleNamespace(deadlines=DEADLINES)
    )
    scratch = ScratchProject(context, SimpleNamespace(digests={}))  # type: ignore[arg-type]
    scratch._file = b"{}"
    with pytest.raises(Inconclusive, match=r"→ docker compose -p i-trial down --volumes --remove-orphans$"):
        scratch.remove()
