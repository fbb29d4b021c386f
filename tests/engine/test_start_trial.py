"""The target's start on a copy of the schema, and the migration commands, on a small real production."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.migrating.migrate_command import Direction, starts
from runbook.chapters.startup import check as startup_check
from runbook.chapters.startup import trial
from runbook.chapters.startup.scratch_project import LABEL, UNTIL
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.migrations.database import Database
from runbook.production.compose import Production
from runbook.production.service.health import Health
from runbook.settings.application import HealthSettings
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.engine.small_production import DEADLINES, Here, left, raised
from tests.support.incident_parts import incident
from tests.support.parts import asking, host

DOCKERFILE = """
FROM {runtime}
WORKDIR /srv/app
COPY . .
# A name that PATH does not find, and an entrypoint that takes all words for its own.
USER root
RUN ln -s "$(command -v python3)" /opt/own-python && chmod 755 swallow
USER nobody
ENTRYPOINT ["./swallow"]
"""
COMPOSE = """
services:
  api:
    image: {api}
    environment: {{DATABASE_URL: "postgresql://shop:${{PASSWORD}}@database.internal/shop", KIND: "$KIND"}}
    healthcheck: {{test: [CMD, python3, -c, ""], interval: 1s, start_period: 5s}}
    volumes: ["/var/run:/host-run"]
    networks: {{default: {{ipv4_address: 10.213.78.10}}}}
    depends_on: [db]
    labels: &mine {{io.rollback-runbook.start-trial-test: "1"}}
  db:
    image: {db}
    container_name: {name}-database
    environment: {{POSTGRES_USER: shop, POSTGRES_DB: shop, POSTGRES_PASSWORD: "$PASSWORD"}}
    volumes: [data:/var/lib/postgresql]
    networks: {{default: {{aliases: [database.internal]}}}}
    labels: *mine
volumes: {{data: {{}}}}
networks: {{default: {{ipam: {{config: [{{subnet: 10.213.78.0/24}}]}}}}}}
"""
SCHEMA = """
CREATE SCHEMA audit; CREATE TABLE audit.versions (version_num varchar(32) PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, note text); INSERT INTO orders VALUES (1, 'kept');
INSERT INTO audit.versions VALUES ('0002');
"""


@contextmanager
def parts_of(here: Here, folder: Path, kind: str, **migrations: Any) -> Iterator[Any]:
    """Return the context for this production, whose api does at its start what `kind` says."""
    (here.folder / ".env").write_text(f"PASSWORD=dollar$$and'quote\nKIND={kind}\nIMAGE_TAG=v1\n")
    name = f"trial-{uuid.uuid4().hex[:8]}"
    (folder / name).mkdir(parents=True)
    found, there = incident(folder / name), host()
    found.name = name
    project = Project.model_validate({"name": here.name, "directory": str(here.folder), "services": ["api"]})
    production = Production(there, project, DEADLINES)
    database = DatabaseSettings(user="shop", name="shop", version_table="versions", version_schema="audit")
    with asking() as http:
        yield SimpleNamespace(
            incident=found, host=there, production=production,
            health=Health(production, http, HealthSettings(), {"Host": "shop.example"}, DEADLINES),
            database=Database(production, database),
            settings=SimpleNamespace(
                project=project, database=database, deadlines=DEADLINES, health=HealthSettings(), api="api",
                migrations=MigrationSettings.model_validate(migrations),
            ),
        )  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A production at a revision that its image does not know."""
    with raised(tmp_path_factory, "start-trial", DOCKERFILE, COMPOSE) as found:
        found.sql(SCHEMA)
        yield found


def tried(here: Here, folder: Path, kind: str, **migrations: Any) -> Any:
    """Return the trial of a target with that kind of start. Nothing of it stays, and production is unchanged."""
    with parts_of(here, folder, kind, **migrations) as context:
        try:
            return startup_check.migrates_not_at_start(context, here.release).observe()
        finally:
            assert left(here) == ""
            assert here.sql("SELECT version_num FROM audit.versions").split() == ["0002"]
            assert here.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").strip() == "1"


def test_target_that_lives_with_the_schema(here: Here, tmp_path: Path) -> None:
    """The target starts, connects to the copy under the database's usual names, and changes nothing."""
    seen = tried(here, tmp_path, "plain")
    assert seen.ok
    assert "api started, connected to the database and changed neither schema nor revision (tried" in seen.seen


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("imports", "api migrates at start and exits: "),
        ("creates", "the target changed the copy of the schema"),
        ("stamps", "the target moved the copy from revision 0002 to 0009"),
    ],
)
def test_target_that_migrates(here: Here, tmp_path: Path, kind: str, words: str) -> None:
    """In Python code, by hand or with Alembic: the migration is seen on the copy, and production is not affected."""
    seen = tried(here, tmp_path, kind)
    assert not seen.ok
    assert words in seen.seen
    if kind == "imports":
        assert "Can't locate revision identified by '0002'" in seen.seen
        assert "api has code that can migrate: " in seen.seen


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dies", "api ended with exit code 1: ConnectionError: no broker"),
        ("silent", "api did not connect to the database"),
    ],
)
def test_doubt_is_said(here: Here, tmp_path: Path, kind: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that ends for another reason, or never queries the database, proves nothing. The setting is named."""
    monkeypatch.setattr(trial, "_SILENT", 2.0)
    with pytest.raises(Inconclusive, match=words) as caught:
        tried(here, tmp_path, kind)
    assert "migrations.at_start" in caught.value.next_step
    assert tried(here, tmp_path / "declared", kind, at_start=False).ok
    assert not tried(here, tmp_path / "declared", kind, at_start=True).ok


def test_trial_that_was_interrupted_or_killed(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves nothing. What SIGKILL left is removed by the next trial, once no trial can be running."""

    def interrupted(_trial: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial.StartTrial, "_watched", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tried(here, tmp_path, "plain")
    monkeypatch.undo()
    labels = ("--label", f"{LABEL}={here.name}", "--label")
    make = ("docker", "create", "--network", "none", *labels)
    old, new = (
        host().check(Command((*make, f"{UNTIL}={until}", here.image), 30)).text.strip() for until in (5, 99999999999)
    )
    try:
        with parts_of(here, tmp_path, "plain") as context:
            trial.StartTrial(context, here.release)._project._sweep()
        assert left(here).split() == [new[:12]]
    finally:
        subprocess.run(["docker", "rm", "-f", old, new], check=False, capture_output=True)


def test_commands_run_whatever_the_entrypoint(here: Here, tmp_path: Path) -> None:
    """Python is not in PATH, ENTRYPOINT swallows commands, and a container has the service's address."""
    here.sql("UPDATE audit.versions SET version_num = '0001'")
    try:
        with parts_of(here, tmp_path, "plain", python="/opt/own-python") as context:
            seen = starts(context, "v1", Direction.DOWNGRADE).observe()
            assert (seen.ok, seen.seen.partition(" in the image")[2]) == (True, " of v1 finds the database at 0001"), (
                seen
            )
        with parts_of(here, tmp_path, "plain", python="no-such-python") as context:
            seen = starts(context, "v1", Direction.UPGRADE).observe()
            assert not seen.ok
            assert 'exec: "no-such-python"' in seen.seen
        own = ["/opt/own-python", "-m", "alembic", "downgrade", "{revision}"]
        with parts_of(here, tmp_path, "plain", downgrade=own) as context:
            assert starts(context, "v1", Direction.DOWNGRADE).observe().ok
        # A command that ignores --help and would write: it has no network for that.
        rogue = "import os,psycopg; psycopg.connect(os.environ['DATABASE_URL']).execute('DROP TABLE orders').commit()"
        with parts_of(here, tmp_path, "plain", downgrade=["python3", "-c", rogue, "{revision}"]) as context:
            seen = starts(context, "v1", Direction.DOWNGRADE).observe()
            assert not seen.ok
            assert here.sql("SELECT note FROM orders").strip() == "kept"
    finally:
        here.sql("UPDATE audit.versions SET version_num = '0002'")
