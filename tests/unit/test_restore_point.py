"""The restore point: how it is taken, when it counts as taken, and when it is believed."""

import hashlib
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, Inconclusive
from runbook.host import Command
from runbook.migrations.restore_point import RestorePoint
from runbook.sentence import Change
from runbook.settings import DatabaseSettings
from tests.unit.incident_parts import COMPOSE, DEADLINES, incident, production

NAME = "20251218T030000Z-shop-rollback.dump"
INSIDE = f"/tmp/{NAME}"
DUMP = b"PGDMP..."
LIST = "3541; 0 16391 TABLE DATA public orders shop\n3542; 0 16397 TABLE DATA public alembic_version shop\n"


def restore_point(folder: Path, answers: dict[str, str] | None = None) -> RestorePoint:
    found = incident(folder)
    settings = DatabaseSettings(user="shop", name="sales")
    return RestorePoint(production(folder, found, answers), settings, DEADLINES, found)


def argvs(change: Change) -> list[tuple[str, ...]]:
    return [action.argv for action in change.actions if isinstance(action, Command)]


def taken(folder: Path) -> None:
    (folder / ".runbook").mkdir()
    (folder / ".runbook" / NAME).write_bytes(DUMP)


def test_commands_that_take_it(tmp_path: Path) -> None:
    """pg_dump in the database's own container, then a private copy on the host that appears in one step."""
    kept = f"{tmp_path}/.runbook/{NAME}"
    point = restore_point(tmp_path)
    assert argvs(point.taking()) == [
        ("mkdir", "--parents", "--mode=700", "--", f"{tmp_path}/.runbook"),
        (
            *COMPOSE, "exec", "-T", "db", "pg_dump", "--username", "shop", "--dbname", "sales",
            "--format", "custom", "--lock-wait-timeout", "30s", "--file", INSIDE,
        ),
        (*COMPOSE, "cp", f"db:{INSIDE}", f"{kept}.new"),
        ("chmod", "600", "--", f"{kept}.new"),
        ("sync", "--", f"{kept}.new"),
        ("mv", "--force", "--", f"{kept}.new", kept),
    ]  # fmt: skip
    assert point.path == kept
    assert [action.deadline for action in point.taking().actions if isinstance(action, Command)][1] == DEADLINES.dump


def test_command_that_tidies(tmp_path: Path) -> None:
    """Only the copy inside the database's container is removed."""
    point = restore_point(tmp_path)
    assert argvs(point.tidying()) == [(*COMPOSE, "exec", "-T", "db", "rm", "--force", "--", INSIDE)]
    assert point.tidying().already() is None
    (tmp_path / "clean").mkdir()
    clean = restore_point(tmp_path / "clean", {"test ! -e": ""})
    assert clean.tidying().already() == f"there is no {INSIDE}"


def test_taken_once_and_never_again(tmp_path: Path) -> None:
    """A dump that is there counts; an empty one does not."""
    point = restore_point(tmp_path)
    assert point.taking().already() is None
    taken(tmp_path)
    assert point.taking().already() == f"{point.path} is there from before"
    Path(point.path).write_bytes(b"")
    assert point.taking().already() is None


def test_reads_back(tmp_path: Path) -> None:
    """Size and hash of a dump that lists every table are seen, and kept as a fact for whoever restores it."""
    taken(tmp_path)
    digest = hashlib.sha256(DUMP).hexdigest()
    found = incident(tmp_path)
    answers = {"pg_restore --list": LIST, "sha256sum": f"{digest}  {INSIDE}\n"}
    settings = DatabaseSettings(user="shop", name="sales")
    point = RestorePoint(production(tmp_path, found, answers), settings, DEADLINES, found)
    seen = point.reads_back(("orders", "alembic_version")).look()
    assert seen.ok
    assert found.facts["restore point"] == {"path": point.path, "size": len(DUMP), "sha256": digest}
    assert f"{len(DUMP)} bytes, sha256 {digest}, 2 tables" in seen.seen


def test_restore_point_of_an_earlier_incident_is_remembered(tmp_path: Path) -> None:
    """A dump that an earlier run took comes onto this record; where it took none, nothing does."""
    (tmp_path / ".runbook").mkdir()
    (tmp_path / ".runbook/i-1.dump").write_bytes(DUMP)
    found = incident(tmp_path)
    settings = DatabaseSettings(user="shop", name="sales")
    point = RestorePoint(production(tmp_path, found), settings, DEADLINES, found)
    point.remember("i-0")
    assert "restore point" not in found.facts
    point.remember("i-1")
    path, digest = f"{tmp_path}/.runbook/i-1.dump", hashlib.sha256(DUMP).hexdigest()
    assert found.facts["restore point"] == {"path": path, "size": len(DUMP), "sha256": digest}


@pytest.mark.parametrize(
    ("tables", "inside", "words"),
    [
        pytest.param(("orders", "customers"), hashlib.sha256(DUMP).hexdigest(), "no data of customers", id="table"),
        pytest.param(("orders",), "0" * 64, "not the one inside the container", id="copy"),
    ],
)
def test_dump_that_is_not_whole(tmp_path: Path, tables: tuple[str, ...], inside: str, words: str) -> None:
    """A dump that lacks a table, or was changed by copying it, is not believed."""
    taken(tmp_path)
    point = restore_point(tmp_path, {"pg_restore --list": LIST, "sha256sum": inside})
    seen = point.reads_back(tables).look()
    assert not seen.ok
    assert words in seen.seen


def test_dump_that_pg_restore_cannot_list(tmp_path: Path) -> None:
    """A dump that cannot be listed is inconclusive, with pg_restore's own words."""
    taken(tmp_path)
    with pytest.raises(Inconclusive, match="no answer to"):
        restore_point(tmp_path).reads_back(("orders",)).look()


def test_dump_that_is_not_there(tmp_path: Path) -> None:
    """Without a dump on the host nothing may be undone."""
    with pytest.raises(CheckFailed, match="there is no restore point"):
        restore_point(tmp_path).reads_back(("orders",)).look()
