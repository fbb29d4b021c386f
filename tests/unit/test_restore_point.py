"""The restore point: how it is taken, when it counts as taken, and when it is believed."""

import hashlib
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, Inconclusive
from runbook.host import Command
from runbook.incident.incident import Incident
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restoring import Restoring
from runbook.sentence import Change
from runbook.settings import DatabaseSettings, TrafficSettings
from tests.unit.incident_parts import COMPOSE, DEADLINES, incident, production

NAME = "20251218T030000Z-shop-rollback.dump"
INSIDE = f"/tmp/{NAME}"
DUMP = b"PGDMP..."
LIST = "3541; 0 16391 TABLE DATA public orders shop\n3542; 0 16397 TABLE DATA public alembic_version shop\n"


SETTINGS = DatabaseSettings(user="shop", name="sales")
TRAFFIC = TrafficSettings.model_validate(
    {
        "public_url": "https://shop.example",
        "check_path": "/orders",
        "pause": {"service": "gateway", "command": ["gate", "close"]},
        "resume": {"command": ["gate", "open"]},
        "state": {"command": ["gate", "state"]},
    }
)


def restore_point(folder: Path, answers: dict[str, str] | None = None, found: Incident | None = None) -> RestorePoint:
    found = found or incident(folder)
    there = production(folder, found, answers)
    return RestorePoint(there, SETTINGS, DEADLINES, found, Restoring(there, SETTINGS, TRAFFIC))


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
    point = restore_point(tmp_path, answers, found)
    seen = point.reads_back(("orders", "alembic_version")).look()
    assert seen.ok
    fact = found.facts["restore point"]
    assert (fact["path"], fact["size"], fact["sha256"]) == (point.path, len(DUMP), digest)
    assert f"{len(DUMP)} bytes, sha256 {digest}, 2 tables" in seen.seen


@pytest.mark.parametrize(
    ("answer", "maker", "words"),
    [
        pytest.param("shop\n", "shop", "beside the live one", id="the settings' own user"),
        pytest.param("postgres\n", "postgres", "beside the live one, as postgres, since shop may not", id="another"),
        pytest.param(None, "shop", "beside the live one", id="not known"),
    ],
)
def test_how_it_is_brought_back(tmp_path: Path, answer: str | None, maker: str, words: str) -> None:
    """Into a database of its own first, by a role that may make one; nothing live is touched by these steps."""
    answers = {"FROM pg_roles": answer} if answer else {}
    found = incident(tmp_path)
    there = production(tmp_path, found, answers)
    how_to = Restoring(there, SETTINGS, TRAFFIC).how_to("/srv/a b.dump", "ab12", {})
    compose = " ".join(COMPOSE)
    assert [step["command"] for step in how_to["beside"]] == [
        f"cd {tmp_path}",
        "echo 'ab12  /srv/a b.dump' | sha256sum --check",
        f"{compose} exec -T db createdb --username {maker} --owner shop --template template0 sales_restored",
        f"{compose} exec -T db pg_restore --username {maker} --exit-on-error --dbname sales_restored < '/srv/a b.dump'",
        f"{compose} exec -T db psql --username {maker} --dbname sales_restored -c '\\dt+'",
    ]
    assert how_to["beside"][2]["why"] == f"make an empty database {words}"


def test_how_it_takes_the_live_ones_place(tmp_path: Path) -> None:
    """Behind the closed gate, with the application stopped, and with the live database kept under another name."""
    found = incident(tmp_path)
    facts = {"schema": ["0004"], "origin": {"tags": ["v2"]}}
    how_to = Restoring(production(tmp_path, found), SETTINGS, TRAFFIC).how_to("/srv/i.dump", "ab12", facts)
    compose = " ".join(COMPOSE)
    psql = f"{compose} exec -T db psql --username shop --dbname postgres -c"
    assert [step["command"] for step in how_to["instead"]] == [
        f"cd {tmp_path}",
        f"{compose} exec -T gateway gate close",
        f"{compose} stop api jobs",
        f"""{psql} 'ALTER DATABASE "sales" RENAME TO "sales_before_restore"'""",
        f"""{psql} 'ALTER DATABASE "sales_restored" RENAME TO "sales"'""",
        f"{compose} up -d --no-deps --no-build --pull never api jobs",
        "gate open",
    ]
    assert (
        how_to["instead"][5]["why"] == "name a release that fits its schema (0004; v2 ran on it) in .env, then start it"
    )


def test_what_it_leaves(tmp_path: Path) -> None:
    """The dump on the host stays, and the one inside until it is tidied away."""
    point = restore_point(tmp_path)
    assert [kept.path for kept in point.taking().leaves] == [point.path, f"db:{INSIDE}"]
    assert point.tidying().removes == (f"db:{INSIDE}",)


def test_restore_point_of_an_earlier_incident_is_remembered(tmp_path: Path) -> None:
    """A dump that an earlier run took comes onto this record; where it took none, nothing does."""
    (tmp_path / ".runbook").mkdir()
    (tmp_path / ".runbook/i-1.dump").write_bytes(DUMP)
    found = incident(tmp_path)
    point = restore_point(tmp_path, found=found)
    point.remember("i-0")
    assert "restore point" not in found.facts
    point.remember("i-1")
    path, digest = f"{tmp_path}/.runbook/i-1.dump", hashlib.sha256(DUMP).hexdigest()
    fact = found.facts["restore point"]
    assert (fact["path"], fact["size"], fact["sha256"]) == (path, len(DUMP), digest)


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
