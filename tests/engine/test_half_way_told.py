"""A migration failed on a real PostgreSQL: the report compares the schema with both ends, and shows both ways out."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.migrating import half_way, kept_rows
from runbook.chapters.migrating.migrate_command import Direction
from runbook.errors import CheckFailed, CommandFailed, Inconclusive
from runbook.incident.schema_facts import HalfWay
from runbook.journal.journal import FORMAT
from runbook.migrations.catalog import catalog_of
from runbook.migrations.image.report import to_json
from runbook.settings.database import MigrationSettings
from tests.engine.postgres_behind import DEADLINES, database, production, settings
from tests.engine.postgres_cluster import Cluster, cluster
from tests.support.image_parts import image, step
from tests.support.incident_parts import incident

DIGEST = "sha256:" + "0" * 64
TARGET = "CREATE TABLE alembic_version (version_num text); CREATE TABLE orders (id int PRIMARY KEY, name text)"
UP = "ALTER TABLE orders ADD COLUMN note text; ALTER TABLE orders ADD COLUMN more text"
POINT = "/srv/shop/.runbook/i.dump"


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def context(server: Cluster, folder: Path) -> Any:
    """Return a production at r3, with two revisions to undo. The target was validated at r1."""
    server.must("postgres", "DROP DATABASE IF EXISTS shop")
    server.must("postgres", "CREATE DATABASE shop")
    server.must("shop", TARGET)
    found = incident(folder)
    found.journal.write("opened", format=FORMAT, typed=["pytest", "features", "--settings", "s.toml"])
    there = production(folder, server, found)
    vars(there)["one_shots"] = frozenset()
    live = database(folder, server, found)
    validated = SimpleNamespace(catalog=tuple(catalog_of(live)))
    server.must("shop", UP)
    server.must("shop", "INSERT INTO alembic_version VALUES ('r3')")
    found.record_fact("schema", ["r3"])
    found.record_fact("target", {"tag": "v1", "images": {"api": "shop/api:v1"}, "digests": {"api": DIGEST}})
    found.record_fact("restore point", {"path": POINT, "size": 1, "sha256": "0" * 64})
    found.record_fact("target migrations", image_json("r1"))
    down = "ALTER TABLE orders DROP COLUMN more; ALTER TABLE orders DROP COLUMN note"
    steps = [step("r3"), step("r2")]
    found.record_fact("failed migrations", image_json("r1", "r3", steps=steps, up=UP, down=down))
    found.record_fact("strategy", "downgrade")
    return SimpleNamespace(
        incident=found, database=live, production=there, host=there.host,
        ledger=SimpleNamespace(snapshot_at=lambda _release, _heads: validated),
        restore_point=SimpleNamespace(path=f"{folder}/.runbook/i.dump"),
        settings=SimpleNamespace(
            project=there.project, database=settings(), deadlines=DEADLINES, traffic=None,
            migrations=MigrationSettings(),
        ),
    )  # fmt: skip


def image_json(*known: str, **more: Any) -> dict[str, Any]:
    return to_json(image(*known, **more))


def stopped(parts: Any, server: Cluster, done: str) -> tuple[CheckFailed, HalfWay]:
    """Return the error and the fact of a downgrade that fails after it has done this much."""

    def downgrade() -> None:
        with half_way.told(parts, Direction.DOWNGRADE, "r1"):
            server.must("shop", done)
            raise CommandFailed("the downgrade ended with exit code 1: value too long", "read it")

    with pytest.raises(CheckFailed) as raised:
        downgrade()
    return raised.value, parts.incident.facts.half_way


def test_nothing_stayed(server: Cluster, tmp_path: Path) -> None:
    """One transaction: the schema is unchanged. --resume continues; starting what was stopped goes back."""
    error, fact = stopped(context(server, tmp_path), server, "")
    assert fact.untouched
    assert error.seen.startswith("the downgrade ended with exit code 1: value too long; it left no change:")
    assert fact.way_on == ("pytest features --settings s.toml --resume 20251218T030000Z-shop-rollback --execute shop")
    assert fact.way_back == f"cd {tmp_path} && docker compose up -d --no-deps --no-build --pull never api jobs"
    assert fact.way_on in error.next_step
    assert fact.way_back in error.next_step


def test_half_way(server: Cluster, tmp_path: Path) -> None:
    """A statement was committed on its own: the revision still says r3, and the catalog shows the difference."""
    error, fact = stopped(context(server, tmp_path), server, "ALTER TABLE orders DROP COLUMN note")
    assert fact.between_revisions
    assert fact.changed == ("column public.orders.note is missing",)
    assert fact.missing == ("column public.orders.more is new",)
    assert "it stopped HALF-WAY: the database is at r3, as before" in error.seen
    assert "the schema has changed (column public.orders.note is missing)" in error.seen
    assert "column public.orders.more is new" in error.seen
    assert fact.way_back == f"pytest features --settings s.toml -m restore --dump {POINT} --execute shop"
    assert error.next_step.index(fact.way_back) < error.next_step.index(fact.way_on)


def test_between_two_revisions(server: Cluster, tmp_path: Path) -> None:
    """Each revision has its own transaction: the first one passed, and the incident is resumed from there."""
    parts = context(server, tmp_path)
    error, fact = stopped(
        parts, server, "ALTER TABLE orders DROP COLUMN more; UPDATE alembic_version SET version_num = 'r2'"
    )
    assert (fact.untouched, fact.between_revisions) == (False, False)
    assert "1 of 2 revisions succeeded: the database is at r2, between r3 and r1" in error.seen
    assert error.next_step.index(fact.way_on) < error.next_step.index(fact.way_back)
    # A second attempt is compared with the schema from before the first one.
    _, again = stopped(parts, server, "")
    assert again.changed == ("column public.orders.more is missing",)


def test_forward_fix_that_fails(server: Cluster, tmp_path: Path) -> None:
    """The same on the way forward: both what was undone and what stayed is reported."""
    parts = context(server, tmp_path)

    def upgrade(done: str) -> None:
        with half_way.told(parts, Direction.UPGRADE, "r4"):
            server.must("shop", done)
            raise CommandFailed("the upgrade ended with exit code 1", "read it")

    with pytest.raises(CheckFailed, match="it left no change"):
        upgrade("")
    with pytest.raises(CheckFailed, match="it stopped HALF-WAY") as raised:
        upgrade("CREATE TABLE fixed (id int)")
    assert "table public.fixed is new" in raised.value.seen
    assert parts.incident.facts.half_way.direction == "upgrade"


def test_what_it_destroys_is_kept_once(server: Cluster, tmp_path: Path) -> None:
    """Kept before the downgrade, readable only by the owner; not kept again half way; restored by its command."""
    parts = context(server, tmp_path)
    server.must("shop", "INSERT INTO orders VALUES (1, 'a', 'kept', 'too')")
    parts.incident.execute(kept_rows.keeping(parts), parts.host)
    fact = parts.incident.facts.kept_rows
    assert (fact.path, fact.kept) == (f"{tmp_path}/.runbook/i.rows.sql", ("orders.more, note",))
    assert Path(fact.path).stat().st_mode & 0o777 == 0o600
    assert "kept\ttoo" not in (tmp_path / "journal.jsonl").read_text()
    server.must("shop", "ALTER TABLE orders DROP COLUMN more")
    again = kept_rows.keeping(parts)
    assert again.already() == f"{fact.path} has them, from an earlier run of this incident"
    again.record()
    assert parts.incident.facts.kept_rows == fact
    server.must("shop", "ALTER TABLE orders DROP COLUMN note")
    server.must("shop", UP)
    path = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", fact.put_back], env=path, capture_output=True, text=True, check=True)
    assert (
        "orders.note: 1 values were kept, 1 of them are in the table, 0 belong to rows that no longer exist"
        in done.stdout
    )
    assert server.must("shop", "TABLE orders") == "1|a|kept|too\n"


def test_database_that_does_not_answer(server: Cluster, tmp_path: Path) -> None:
    """An unknown state is reported as unknown, with the way back."""
    parts = context(server, tmp_path)
    parts.database.revisions = parts.database.ask = lambda *_arguments, **_options: unanswered()
    parts.incident.record_fact("schema before", {"revisions": ["r3"], "catalog": []})
    error, fact = stopped(parts, server, "")
    assert "the state of the schema is unknown: no answer" in error.seen
    assert f"--dump {POINT}" in error.next_step
    assert fact is None


def unanswered() -> None:
    """Raise the error of a database that does not answer."""
    raise Inconclusive("no answer", "look at it")
