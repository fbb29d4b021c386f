"""The restore point: how it is taken, when it counts as taken, and when it is trusted."""

import hashlib
from pathlib import Path

import pytest

from runbook.actions import Action
from runbook.errors import CheckFailed, EngineError, Inconclusive
from runbook.hosts.command import Command
from runbook.incident.executor import Executor
from runbook.incident.facts import Facts
from runbook.incident.schema_facts import HowToRestore
from runbook.migrations.database import Database
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restore_steps import Restoring
from runbook.settings.application import TrafficSettings
from runbook.settings.database import DatabaseSettings
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import COMPOSE, DEADLINES, incident, production

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


def restore_point(folder: Path, answers: dict[str, str] | None = None, found: Executor | None = None) -> RestorePoint:
    found = found or incident(folder)
    there = production(folder, found, answers, FakeEngine())
    database = Database(there, SETTINGS)
    return RestorePoint(database, SETTINGS, DEADLINES, found, Restoring(there, database, TRAFFIC.gate))


def undone() -> str | None:
    """Return None: the change that the restore point is for is not done yet."""
    return None


def argvs(change: Action) -> list[tuple[str, ...]]:
    return [action.argv for action in change.commands]


def taken(folder: Path) -> None:
    (folder / ".runbook").mkdir()
    (folder / ".runbook" / NAME).write_bytes(DUMP)


def test_dump_that_would_fail_is_known_while_users_are_served(tmp_path: Path) -> None:
    """A schema-only pg_dump shows before the pause that a dump would fail, with pg_dump's error."""
    why = "pg_dump: error: aborting because of server version mismatch"
    (tmp_path / "why").write_text(f"{why}\n")
    point = restore_point(tmp_path, {"pg_dump": ""})
    assert point.can_be_taken().observe().ok
    docker = tmp_path / "bin" / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked; cat {tmp_path}/why >&2; exit 1\n')
    failing = point.can_be_taken()
    assert failing.observe().seen == f"pg_dump of sales at the service db: {why}"
    assert not failing.observe().ok
    assert (failing.acceptable, failing.vouchable) == (False, False)
    assert (tmp_path / "asked").read_text().endswith(" --schema-only --lock-wait-timeout 10s\n")
    assert failing.next_step.endswith("exec -T db pg_dump --username shop --dbname sales --schema-only")


def test_commands_that_take_it(tmp_path: Path) -> None:
    """pg_dump runs in the database's container; the copy on the host has mode 600 and appears by one rename."""
    kept = f"{tmp_path}/.runbook/{NAME}"
    point = restore_point(tmp_path)
    sealing = next(argv for argv in argvs(point.taking(undone)) if argv[0] == "sh")
    assert sealing[3:] == ("sh", f"{kept}.new", kept, f"{kept}.sha256")
    assert argvs(point.taking(undone)) == [
        ("mkdir", "--parents", "--mode=700", "--", f"{tmp_path}/.runbook"),
        (
            *COMPOSE, "exec", "-T", "db", "pg_dump", "--username", "shop", "--dbname", "sales",
            "--format", "custom", "--lock-wait-timeout", "30s", "--file", INSIDE,
        ),
        (*COMPOSE, "cp", f"db:{INSIDE}", f"{kept}.new"),
        ("chmod", "600", "--", f"{kept}.new"),
        ("sync", "--", f"{kept}.new"),
        sealing,
        ("mv", "--force", "--", f"{kept}.new", kept),
    ]  # fmt: skip
    assert point.path == kept
    assert [action.deadline for action in point.taking(undone).commands][1] == DEADLINES.dump


def test_command_that_tidies(tmp_path: Path) -> None:
    """Only the copy in the database's container is removed."""
    point = restore_point(tmp_path)
    assert argvs(point.tidying()) == [(*COMPOSE, "exec", "-T", "db", "rm", "--force", "--", INSIDE)]
    assert point.tidying().already() is None
    (tmp_path / "clean").mkdir()
    clean = restore_point(tmp_path / "clean", {"test ! -e": ""})
    assert clean.tidying().already() == f"{INSIDE} does not exist"


ROWS = "snapshot,800:800: of 5\n16390 public.orders,2 1500\n"
MOMENT = {"snapshot": "800:800: of 5", "rows": hashlib.sha256(b"[['16390 public.orders', '2 1500']]").hexdigest()}


def held(snapshot: str = "800:800: of 5", rows: str = ROWS) -> dict[str, str]:
    """Return the database's answers to the queries for its snapshot and for its rows."""
    return {"query_to_xml": rows, "txid_current_snapshot": f"{snapshot}\n"}


def on_record(folder: Path, answers: dict[str, str], *, content: bytes = DUMP, state: dict[str, str]) -> RestorePoint:
    """Return the restore point of a resumed incident that took one when the database was at `state`."""
    taken(folder)
    found = incident(folder)
    path = f"{folder}/.runbook/{NAME}"
    fact = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "state": state}
    found.record_fact("restore point", fact)
    return restore_point(folder, answers, found)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(held(), id="same snapshot"),
        pytest.param(held("900:900: of 5", ROWS.replace("800:800:", "900:900:")), id="same rows, written elsewhere"),
    ],
)
def test_not_taken_again_while_nothing_was_written(tmp_path: Path, answers: dict[str, str]) -> None:
    """A recorded, intact dump counts as long as the database has the same rows."""
    point = on_record(tmp_path, answers, state=MOMENT)
    change = point.taking(undone)
    intact = f"{point.path} is intact (size and SHA-256 match), and nothing was written since it was taken"
    assert change.already() == intact
    assert point.reads_back(("public orders shop",), undone).observe().ok


@pytest.mark.parametrize(
    ("answers", "content", "state"),
    [
        pytest.param(held("900:900: of 5", ROWS.replace("2 1500", "3 2400")), DUMP, MOMENT, id="a row was written"),
        pytest.param(held("900:900: of 5", ROWS.replace("1500", "1600")), DUMP, MOMENT, id="a row was replaced"),
        pytest.param({}, DUMP, MOMENT, id="the database does not tell"),
        pytest.param({"txid_current": "\n"}, DUMP, {"snapshot": "", "rows": ""}, id="nobody knows of when it is"),
        pytest.param(held(), DUMP + b"more", MOMENT, id="short"),
        pytest.param(held(), DUMP.replace(b".", b"!"), MOMENT, id="damaged"),
    ],
)
def test_taken_anew_under_a_new_name(
    tmp_path: Path, answers: dict[str, str], content: bytes, state: dict[str, str]
) -> None:
    """If rows may have changed, or the dump differs from the record, a new dump is taken and the old one is kept."""
    point = on_record(tmp_path, answers, content=content, state=state)
    old = Path(point.path)
    change = point.taking(undone)
    assert change.already() is None
    assert point.path == str(old).replace(".dump", ".2.dump")
    assert ("mv", "--force", "--", f"{point.path}.new", point.path) in argvs(change)
    assert not any(str(old) in argv for argv in argvs(change))
    assert old.read_bytes() == DUMP


def test_dump_that_is_not_on_record_does_not_count(tmp_path: Path) -> None:
    """A dump that no run has read back does not count, and is not overwritten."""
    taken(tmp_path)
    point = restore_point(tmp_path)
    assert point.taking(undone).already() is None
    assert point.path.endswith("-rollback.2.dump")


def test_nothing_left_to_undo_needs_no_restore_point(tmp_path: Path) -> None:
    """After the downgrade no dump is required; a missing or changed one is mentioned."""
    (tmp_path / "damaged").mkdir()
    point = restore_point(tmp_path)
    assert point.taking(lambda: "the database is at r1").already() == "the database is at r1"
    assert point.reads_back(("public orders shop",), lambda: "the database is at r1").observe().ok
    damaged = on_record(tmp_path / "damaged", {}, content=DUMP + b"more", state=MOMENT)
    seen = damaged.reads_back(("public orders shop",), lambda: "the database is at r1").observe()
    assert seen.ok
    assert "is missing, or differs from the recorded one" in seen.seen


def test_reads_back(tmp_path: Path) -> None:
    """A dump that lists every table passes, and its path, size and hash are recorded as a fact."""
    taken(tmp_path)
    digest = hashlib.sha256(DUMP).hexdigest()
    found = incident(tmp_path)
    answers = {"pg_restore --list": LIST, "sha256sum": f"{digest}  {INSIDE}\n"}
    point = restore_point(tmp_path, answers, found)
    seen = point.reads_back(("public orders shop", "public alembic_version shop"), undone).observe()
    assert seen.ok
    fact = found.facts.restore_point
    assert fact is not None
    assert (fact.path, fact.size, fact.sha256) == (point.path, len(DUMP), digest)
    assert f"{len(DUMP)} bytes, sha256 {digest}, 2 tables" in seen.seen


@pytest.mark.parametrize(
    ("answer", "maker", "words"),
    [
        pytest.param("shop\n", "shop", "next to the live one", id="the settings' own user"),
        pytest.param("postgres\n", "postgres", "next to the live one, as postgres, because shop may not", id="another"),
        pytest.param(None, "shop", "next to the live one", id="not known"),
    ],
)
def test_how_it_is_brought_back(tmp_path: Path, answer: str | None, maker: str, words: str) -> None:
    """The steps restore into a new database next to the live one, as a role that may create it."""
    answers = {"FROM pg_roles": answer} if answer else {}
    found = incident(tmp_path)
    there = production(tmp_path, found, answers, FakeEngine())
    how_to = Restoring(there, Database(there, SETTINGS), TRAFFIC.gate).how_to("/srv/a b.dump", "ab12", Facts())
    compose = " ".join(COMPOSE)
    assert [step.command for step in how_to.beside] == [
        f"cd {tmp_path}",
        "echo 'ab12  /srv/a b.dump' | sha256sum --check",
        f"{compose} exec -T db createdb --username {maker} --owner shop --template template0 sales_restored",
        f"{compose} exec -T db pg_restore --username {maker} --exit-on-error --dbname sales_restored < '/srv/a b.dump'",
        f"{compose} exec -T db psql --username {maker} --dbname sales_restored -c '\\dt+'",
    ]
    assert how_to.beside[2].why == f"create an empty database {words}"


def test_how_it_takes_the_live_ones_place(tmp_path: Path) -> None:
    """The steps pause traffic, stop the application, and keep the live database under another name."""
    found = incident(tmp_path)
    facts = Facts.model_validate({"schema": ["0004"], "origin": {"tags": ["v2"]}})
    there = production(tmp_path, found)
    how_to = Restoring(there, Database(there, SETTINGS), TRAFFIC.gate).how_to("/srv/i.dump", "ab12", facts)
    compose = " ".join(COMPOSE)
    psql = f"{compose} exec -T db psql --username shop --dbname postgres -c"
    assert [step.command for step in how_to.instead] == [
        f"cd {tmp_path}",
        f"{compose} exec -T gateway gate close",
        f"{compose} stop api jobs",
        f"""{psql} 'ALTER DATABASE "sales" RENAME TO "sales_before_restore"'""",
        f"""{psql} 'ALTER DATABASE "sales_restored" RENAME TO "sales"'""",
        f"{compose} up -d --no-deps --no-build --pull never api jobs",
        "gate open",
    ]
    assert how_to.instead[5].why == "set a release that fits its schema (0004; v2 ran on it) in .env, then start it"


def test_how_to_is_told_whatever_is_on_record(tmp_path: Path) -> None:
    """Missing facts do not prevent the steps, because they are made when a dump is recorded."""
    found = incident(tmp_path)
    there = production(tmp_path, found)
    how_to = Restoring(there, Database(there, SETTINGS), TRAFFIC.gate).how_to("/srv/i.dump", "ab12", Facts())
    assert len(how_to.beside) == 5
    assert len(how_to.instead) == 7


@pytest.mark.parametrize("error", [EngineError("no engine", ""), KeyError("x"), AttributeError("x")])
def test_how_to_that_cannot_be_told_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """If the steps cannot be made, none are given, and no error is raised."""

    def fails(*_arguments: object, **_options: object) -> Command:
        raise error

    there = production(tmp_path, incident(tmp_path))
    monkeypatch.setattr(there, "compose", fails)
    assert (
        Restoring(there, Database(there, SETTINGS), TRAFFIC.gate).how_to("/srv/i.dump", "ab12", Facts())
        == HowToRestore()
    )


@pytest.mark.parametrize("answer", ["", "\n", "\n\n", "shop\n"])
def test_database_that_names_nobody_is_asked_as_the_settings_say(tmp_path: Path, answer: str) -> None:
    """An empty answer for the role gives the user of the settings."""
    there = production(tmp_path, incident(tmp_path), {"FROM pg_roles": answer})
    (make,) = [
        step.command
        for step in Restoring(there, Database(there, SETTINGS), TRAFFIC.gate)
        .how_to("/srv/i.dump", "ab12", Facts())
        .beside
        if "createdb" in step.command
    ]
    assert "--username shop " in make


def test_what_it_leaves(tmp_path: Path) -> None:
    """The dump and its hash stay on the host; the copy in the container stays until it is removed."""
    point = restore_point(tmp_path)
    assert [kept.path for kept in point.taking(undone).leaves] == [point.path, f"{point.path}.sha256", f"db:{INSIDE}"]
    assert point.tidying().removes == (f"db:{INSIDE}",)


def test_restore_point_of_an_earlier_incident_is_remembered(tmp_path: Path) -> None:
    """A dump that an earlier incident took is added to this record; without one nothing is added."""
    (tmp_path / ".runbook").mkdir()
    path, digest = f"{tmp_path}/.runbook/i-1.dump", hashlib.sha256(DUMP).hexdigest()
    for name in ("i-1", "i-1.2", "i-10"):
        (tmp_path / f".runbook/{name}.dump").write_bytes(DUMP)
    Path(f"{path}.sha256").write_text(f"{digest}  {path}\n")
    found = incident(tmp_path)
    point = restore_point(tmp_path, found=found)
    point.remember("i-0")
    assert found.facts.restore_point is None
    point.remember("i-1")
    fact = found.facts.restore_point
    assert fact is not None
    assert (fact.path, fact.size, fact.sha256) == (path, len(DUMP), digest)


@pytest.mark.parametrize(
    ("tables", "inside", "words"),
    [
        pytest.param(
            ("public orders shop", "public customers shop"),
            hashlib.sha256(DUMP).hexdigest(),
            "no data for public customers shop",
            id="table",
        ),
        pytest.param(("public orders shop",), "0" * 64, "differs from the one in the container", id="copy"),
    ],
)
def test_dump_that_is_not_whole(tmp_path: Path, tables: tuple[str, ...], inside: str, words: str) -> None:
    """A dump that lacks a table, or was changed by copying it, fails the check."""
    taken(tmp_path)
    point = restore_point(tmp_path, {"pg_restore --list": LIST, "sha256sum": inside})
    seen = point.reads_back(tables, undone).observe()
    assert not seen.ok
    assert words in seen.seen


def test_dump_that_pg_restore_cannot_list(tmp_path: Path) -> None:
    """A dump that pg_restore cannot list is inconclusive."""
    taken(tmp_path)
    with pytest.raises(Inconclusive, match="no answer to"):
        restore_point(tmp_path).reads_back(("public orders shop",), undone).observe()


def test_dump_that_is_not_there(tmp_path: Path) -> None:
    """Without a dump on the host, the check raises CheckFailed."""
    with pytest.raises(CheckFailed, match="there is no restore point"):
        restore_point(tmp_path).reads_back(("public orders shop",), undone).observe()


def test_restore_point_without_its_hash_is_not_remembered(tmp_path: Path) -> None:
    """A dump with a wrong hash or none is rejected on the record; other incidents' dumps are ignored."""
    folder = tmp_path / ".runbook"
    folder.mkdir()
    for name in ("i-1", "i-1.2", "i-10"):
        (folder / f"{name}.dump").write_bytes(DUMP)
    (folder / "i-1.dump.sha256").write_text(f"{hashlib.sha256(DUMP + b'more').hexdigest()}  {folder}/i-1.dump\n")
    found = incident(tmp_path)
    restore_point(tmp_path, found=found).remember("i-1")
    assert found.facts.restore_point is None
    doubts = [entry for entry in found.journal.entries if entry["kind"] == "decision"]
    assert {doubt["answer"] for doubt in doubts} == {"no"}
    assert [doubt["evidence"][0].split()[0] for doubt in doubts] == [f"{folder}/i-1.2.dump", f"{folder}/i-1.dump"]
