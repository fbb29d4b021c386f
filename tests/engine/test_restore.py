"""A dump is checked, restored next to the live database and put in its place, on a real PostgreSQL."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.actions import Action, Check
from runbook.chapters.restore import dump, places
from runbook.cli.restore_points.checking import checked
from runbook.cli.restore_points.listing import listed
from runbook.errors import CommandFailed, Inconclusive
from runbook.incident.options import Options
from runbook.migrations.database import Database
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restore_steps import Restoring
from runbook.migrations.restoring.databases import Databases
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Deadlines
from tests.engine.postgres_behind import DEADLINES, database, production, settings
from tests.engine.postgres_cluster import Cluster, cluster
from tests.support.incident_parts import incident

INCIDENT = "20251218T030000Z-shop-restore"
LIVE = """
CREATE TABLE alembic_version (version_num text PRIMARY KEY); INSERT INTO alembic_version VALUES ('0003');
CREATE TABLE orders (id serial PRIMARY KEY, note text); INSERT INTO orders (note) VALUES ('a'), ('b');
SELECT lo_from_bytea(0, 'large'); CREATE EXTENSION citext; CREATE TABLE "Odd name" (c citext);
ALTER TABLE "Odd name" OWNER TO "shop owner"; GRANT SELECT ON orders TO reader;
"""
#: A name with every character that needs quoting.
NAME = 'Shop "of" it\'s ünï'


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as found:
        found.must("postgres", 'CREATE ROLE "shop owner"; CREATE ROLE reader')
        yield found


@pytest.fixture(params=["shop", NAME], ids=["plain", "odd"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Here:
    """One production on that server, with a dump from before two rows were written."""

    def __init__(self, server: Cluster, folder: Path, name: str = "shop", deadlines: Deadlines = DEADLINES) -> None:
        self.server, self.name, self.folder = server, name, folder
        for other in self.databases():
            server.must("postgres", f"DROP DATABASE {quoted(other)}")
        server.must("postgres", f"CREATE DATABASE {quoted(name)} TEMPLATE template0")
        server.must("postgres", f"ALTER DATABASE {quoted(name)} SET search_path = 'public', 'x y'")
        self.sql(LIVE)
        (folder / ".runbook").mkdir()
        self.dump = folder / ".runbook" / "20251217T000000Z-shop-rollback.dump"
        self.take(name, self.dump)
        self.sql(
            "INSERT INTO orders (note) VALUES ('since'), ('since'); UPDATE alembic_version SET version_num = '0004'"
        )
        found = incident(folder)
        found.name = INCIDENT
        there = production(folder, server, found)
        given = settings(name)
        self.context: Any = SimpleNamespace(
            incident=found, host=there.host, production=there, database=database(folder, server, found, name),
            options=Options(dump=self.dump.name),
            settings=SimpleNamespace(database=given, deadlines=deadlines, traffic=None, project=there.project),
        )  # fmt: skip
        self.context.settings.migrations = SimpleNamespace(tool="alembic")
        restoring = Restoring(there, self.context.database, None)
        self.context.restore_point = RestorePoint(self.context.database, given, deadlines, found, restoring)
        there.application = list  # type: ignore[method-assign, assignment]  # no container of an application here
        vars(there)["one_shots"] = frozenset()
        self.there = Databases(self.context.database, INCIDENT)

    def databases(self) -> list[str]:
        kept = "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1"
        return self.server.must("postgres", kept).splitlines()

    def take(self, name: str, path: Path) -> None:
        argv = [self.server.programs / "pg_dump", "-h", self.server.socket, "-U", "postgres", "-Fc", "-f", path]
        subprocess.run([*argv, "-d", name], check=True, timeout=60)
        seal = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
        path.with_name(f"{path.name}.sha256").write_text(seal)

    def sql(self, text: str, database: str = "") -> str:
        return self.server.must(database or self.name, text)

    def seen(self, check: Callable[[Any], Check]) -> str:
        found = check(self.context).observe()
        assert found.ok, found.seen
        return found.seen

    def refused(self, check: Callable[[Any], Check]) -> str:
        found = check(self.context).observe()
        assert not found.ok, found.seen
        return found.seen

    def made(self, change: Callable[[Any], Action]) -> None:
        self.context.incident.execute(change(self.context), self.context.host)

    def prepared(self) -> None:
        """Perform everything before the swap."""
        for check in (dump.whole, dump.fits, dump.needs_met, dump.room):
            self.seen(check)
        self.made(places.restoring_beside)
        self.seen(places.restored_whole)
        self.made(places.keeping)
        self.seen(places.kept)
        self.seen(places.ready)


def test_the_two_change_places(server: Cluster, tmp_path: Path, name: str) -> None:
    """The live name has the dump's content, with settings, owners and large objects. The other database is kept."""
    here = Here(server, tmp_path, name)
    here.prepared()
    session = subprocess.Popen(
        [server.programs / "psql", "-h", server.socket, "-U", "postgres", "-d", name,
         "-c", "SELECT pg_sleep(60)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    here.made(places.swapping)
    assert session.wait(30) != 0, "whoever was connected is not any more"
    assert "it is at 0003" in here.seen(places.in_place)
    assert here.seen(places.told).endswith("public.orders 2, before 4; the same in 2 tables")
    assert here.databases() == sorted([name, here.there.aside])
    assert here.sql("SELECT note FROM orders ORDER BY id") == "a\nb\n"
    assert here.sql("SELECT count(*) FROM orders", here.there.aside) == "4\n"
    assert here.sql("SHOW search_path").strip() == '"public, x y"' or "x y" in here.sql("SHOW search_path")
    assert here.sql("SELECT count(*) FROM pg_largeobject_metadata") == "1\n"
    assert here.sql("SELECT datallowconn FROM pg_database WHERE datname NOT LIKE 'template%'").split() == ["t"] * 3
    fact = here.context.incident.facts.restored
    assert (fact.database, fact.kept_as, fact.revisions) == (name, here.there.aside, ("0003",))
    assert {rows.table: (rows.restored, rows.before) for rows in fact.rows}["public.orders"] == (2, 4)
    sealed = here.dump.with_name(f"{here.dump.name}.sha256").read_text()[:64]
    assert (fact.path, fact.size, fact.sha256) == (str(here.dump), here.dump.stat().st_size, sealed)
    assert fact.made
    # Known before any change, except for the rows.
    assert here.context.incident.facts.to_restore == fact.model_copy(update={"rows": ()})
    # Its restore point has the rows written since.
    assert here.context.incident.facts.restore_point.path != str(here.dump)
    for change in (places.restoring_beside, places.keeping, places.swapping):
        assert change(here.context).already() is not None, "repeated, it finds what is done"
    subprocess.run(["sh", "-c", fact.remove], env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, check=True)
    assert here.databases() == [name]


def test_killed_at_each_point(server: Cluster, tmp_path: Path) -> None:
    """Killed after any command of a change, the restore starts again, ends as it would have, and serves meanwhile."""
    here = Here(server, tmp_path)
    for number in range(len(places.restoring_beside(here.context).commands)):
        change = places.restoring_beside(here.context)
        cut = replace(change, commands=change.commands[: number + 1])
        if number < len(change.commands) - 1:
            here.context.incident.execute(cut, here.context.host)
            assert places.restoring_beside(here.context).already() is None
            assert here.sql("SELECT count(*) FROM orders") == "4\n"
    here.prepared()
    # After the first statement of the swap, the live database accepts no connections.
    here.server.must("postgres", f"ALTER DATABASE {here.name} WITH ALLOW_CONNECTIONS false")
    assert places.swapping(here.context).already() is None
    here.made(places.swapping)
    assert here.sql("SELECT count(*) FROM orders") == "2\n"


def test_swap_that_fails_leaves_the_live_one_serving(server: Cluster, tmp_path: Path) -> None:
    """If the restored database cannot be renamed, neither is, and the live one accepts connections again."""
    here = Here(server, tmp_path)
    here.prepared()
    change = places.swapping(here.context)
    server.must("postgres", f"DROP DATABASE {here.there.beside}")
    with pytest.raises(CommandFailed, match=r"does not exist|were not swapped"):
        here.context.incident.execute(change, here.context.host)
    assert here.sql("SELECT count(*) FROM orders") == "4\n"
    assert here.databases() == ["shop"]
    assert not places.ready(here.context).observe().ok


def test_dumps_that_are_refused(server: Cluster, tmp_path: Path) -> None:
    """Truncated, tampered with, without a seal, or of another database: reported before anything is created."""
    here = Here(server, tmp_path)
    content = here.dump.read_bytes()
    here.dump.write_bytes(content[: len(content) // 2])
    assert "does not match the one in" in here.refused(dump.whole)
    seal = subprocess.run(["sha256sum", here.dump], capture_output=True, text=True, check=True).stdout
    here.dump.with_name(f"{here.dump.name}.sha256").write_text(seal)
    assert "end of file" in here.refused(dump.whole) or "could not" in here.refused(dump.whole)
    here.dump.write_bytes(b"no dump")
    with pytest.raises(Inconclusive, match="cannot be read back"):
        here.seen(dump.fits)
    here.dump.with_name(f"{here.dump.name}.sha256").unlink()
    assert "to verify it with" in here.refused(dump.whole)
    server.must("postgres", "CREATE DATABASE another")
    here.take("another", here.dump)
    assert "it is a dump of another on PostgreSQL" in here.refused(dump.fits)
    assert here.databases() == ["another", "shop"]


def test_what_the_server_lacks(server: Cluster, tmp_path: Path) -> None:
    """A missing role, and an obstacle to renaming a database, are reported."""
    here = Here(server, tmp_path)
    server.must("postgres", 'ALTER ROLE reader RENAME TO "gone away"')
    try:
        assert here.refused(dump.needs_met) == "there is no role reader"
    finally:
        server.must("postgres", 'ALTER ROLE "gone away" RENAME TO reader')
    assert "it has large objects, which are restored too" in here.seen(dump.needs_met)


def test_dumps_are_listed(server: Cluster, tmp_path: Path) -> None:
    """Each with its time, size, hash, schema and incident. A damaged dump is marked as such, and no other."""
    here = Here(server, tmp_path)
    good, lines = listed(here.context)
    assert good
    told = "\n".join(lines)
    digest = subprocess.run(["sha256sum", here.dump], capture_output=True, text=True, check=True).stdout[:64]
    for words in (
        "20251217T000000Z-shop-rollback.dump", f"sha256    {digest}", "schema    0003; 3 tables with data",
        "incident  20251217T000000Z-shop-rollback", "of        shop, PostgreSQL",
    ):  # fmt: skip
        assert words in told
    broken = here.dump.with_name("20251216T000000Z-shop-rollback.2.dump")
    broken.write_bytes(here.dump.read_bytes() + b"x")
    broken.with_name(f"{broken.name}.sha256").write_text(here.dump.with_name(f"{here.dump.name}.sha256").read_text())
    good, lines = listed(here.context)
    assert not good
    assert sum("DAMAGED" in line for line in lines) == 1
    assert "  incident  20251216T000000Z-shop-rollback" in lines
    assert checked(here.context, broken.name)[1][1].startswith("DAMAGED: its SHA-256 (")


def test_nothing_to_list(server: Cluster, tmp_path: Path) -> None:
    """No dump is no error."""
    here = Here(server, tmp_path)
    here.dump.unlink()
    assert listed(here.context) == (True, [f"no restore point in {tmp_path}/.runbook"])


@pytest.mark.parametrize(("version", "words"), [(14, "this server is older: PostgreSQL 14"), (99, "")])
def test_other_major_version(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, words: str
) -> None:
    """A dump of a newer server is refused, one of an older server is accepted, and both are reported."""
    here = Here(server, tmp_path)
    monkeypatch.setattr(Databases, "version", lambda _self: version)
    if words:
        assert words in here.refused(dump.fits)
    else:
        assert f"this server is PostgreSQL {version}" in here.seen(dump.fits)


def test_full_disk(server: Cluster, tmp_path: Path) -> None:
    """If the live database's restore point does not fit, nothing is swapped. With more space the restore continues."""
    here = Here(server, tmp_path)
    here.sql("CREATE TABLE much AS SELECT md5(i::text) FROM generate_series(1, 20000) i")
    here.made(places.restoring_beside)
    small = tmp_path / ".runbook" / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    point = here.context.restore_point
    folder, point._folder = point._folder, str(small)
    try:
        with pytest.raises(CommandFailed, match="No space left"):
            here.made(places.keeping)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)
    assert here.sql("SELECT count(*) FROM orders") == "4\n"
    point._folder = folder
    here.made(places.keeping)
    here.made(places.swapping)
    assert here.sql("SELECT count(*) FROM orders") == "2\n"


_CLIENT = """#!/bin/sh
if [ "$1" = --host ]; then
    [ "$2 $3 $4 $5 $PGPASSWORD" = "db.example --port 6432 --no-password pass '\\$word" ] || exit 9
    shift 5
    set -- --host {socket} "$@"
fi
exec {programs}/{name} "$@"
"""


def test_database_elsewhere(server: Cluster, tmp_path: Path) -> None:
    """By URL: the password comes first on standard input, then the dump. The free space is unknown."""
    here = Here(server, tmp_path)
    for name in ("psql", "pg_dump", "pg_restore"):
        client = tmp_path / "bin" / name
        client.write_text(_CLIENT.format(socket=server.socket, programs=server.programs, name=name))
        client.chmod(0o755)
    (tmp_path / "bin" / "docker").unlink()
    given = DatabaseSettings.model_validate({"url": {"env": "ADDRESS"}})
    url = SecretStr("postgresql://postgres:pass%20%27%24word@db.example:6432/shop")
    parts = here.context
    parts.database = Database(parts.production, given, lambda: url)
    parts.settings.database = given
    restoring = Restoring(parts.production, parts.database, None)
    parts.restore_point = RestorePoint(parts.database, given, DEADLINES, parts.incident, restoring)
    for check in (dump.whole, dump.fits, dump.needs_met):
        here.seen(check)
    with pytest.raises(Inconclusive, match="the free disk space of an external database is unknown"):
        here.seen(dump.room)
    here.made(places.restoring_beside)
    here.seen(places.restored_whole)
    here.made(places.keeping)
    here.seen(places.kept)
    here.made(places.swapping)
    assert "it is at 0003" in here.seen(places.in_place)
    assert here.sql("SELECT count(*) FROM orders") == "2\n"
    assert "word" not in (tmp_path / "journal.jsonl").read_text().replace("--no-password", "")
