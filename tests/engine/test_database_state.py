"""Restore points and losses on a real PostgreSQL: no write is missed."""

import csv
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import Inconclusive
from runbook.migrations.data_loss import losses_of
from runbook.migrations.database import Database
from runbook.migrations.database_state import is_unchanged, read_state
from runbook.migrations.restoring.dump_file import DATA_OF
from runbook.settings.database import DatabaseSettings
from tests.engine.postgres_cluster import Cluster, cluster

TABLES = """
CREATE TABLE customers (id serial PRIMARY KEY, name varchar(20));
CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, note text);
CREATE SCHEMA audit; CREATE TABLE audit.lines (id int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE days (day date) PARTITION BY RANGE (day);
CREATE TABLE days_2025 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO customers (name) VALUES ('a'), ('b'); INSERT INTO orders (customer, note) VALUES (1, 'x'), (2, NULL);
INSERT INTO audit.lines VALUES (1); INSERT INTO days VALUES ('2025-12-18');
"""


class Direct(Database):
    """The same queries to a PostgreSQL outside of a container."""

    def __init__(self, server: Cluster) -> None:
        self._server = server
        self._given = DatabaseSettings(user="postgres", name="shop")

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        """Query as Database does."""
        # Like the runbook's own command: all statements of one -c are one transaction.
        options = ("--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--command", query)
        psql, socket = str(self._server.programs / "psql"), str(self._server.socket)
        argv = [psql, "-U", "postgres", "-h", socket, "-d", "shop", *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=deadline or 60)
        if done.returncode != 0:
            raise Inconclusive(done.stderr, "")
        return list(csv.reader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A PostgreSQL with a database `shop`, and another one next to it."""
    with cluster() as found:
        found.must("postgres", "CREATE DATABASE shop;")
        found.must("postgres", "CREATE DATABASE other;")
        found.must("shop", TABLES)
        yield found


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders (note) VALUES ('new')",
        "UPDATE orders SET note = 'y' WHERE id = 1",
        "UPDATE orders SET note = note WHERE id = 1",
        "DELETE FROM audit.lines",
        "BEGIN; DELETE FROM days; INSERT INTO days VALUES ('2025-12-19'); COMMIT",
        "INSERT INTO days VALUES ('2025-12-20')",
        "CREATE TABLE further (id int)",
        "ALTER TABLE customers ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
        "SELECT lo_from_bytea(0, 'x')",
    ],
)
def test_whatever_is_written_is_seen(server: Cluster, sql: str) -> None:
    """Inserts, deletes and updates in any table are seen, also if the row count stays the same, and large objects."""
    database = Direct(server)
    before = read_state(database, 60)
    assert before.snapshot
    assert is_unchanged(before, database, 60)
    server.must("shop", sql)
    assert not is_unchanged(before, database, 60)


@pytest.mark.parametrize(
    ("database", "sql"),
    [
        pytest.param("shop", "SELECT count(*) FROM orders", id="read"),
        pytest.param("postgres", "CHECKPOINT", id="checkpoint"),
        pytest.param("shop", "VACUUM ANALYZE", id="vacuum"),
        pytest.param("shop", "VACUUM FREEZE orders", id="freeze"),
        pytest.param("other", "CREATE TABLE busy AS SELECT generate_series(1, 100)", id="another database"),
        pytest.param("shop", "BEGIN; DELETE FROM audit.lines; DROP TABLE days; ROLLBACK", id="undone"),
        pytest.param("shop", "CREATE TEMPORARY TABLE t (id int)", id="temporary"),
    ],
)
def test_what_writes_no_row_of_this_database_is_let_pass(server: Cluster, database: str, sql: str) -> None:
    """These writes move the WAL, but change no row of this database."""
    shop = Direct(server)
    server.must("shop", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    before = read_state(shop, 60)
    server.must(database, sql)
    assert is_unchanged(before, shop, 60)


def test_losses_are_counted_by_reading_alone(server: Cluster) -> None:
    """Rows are counted in their tables, and in those that a foreign key would empty with them. Types are compared."""
    server.must("shop", "TRUNCATE customers CASCADE; INSERT INTO customers VALUES (1, 'a');")
    server.must("shop", "INSERT INTO orders VALUES (1, 1, 'x'), (2, 1, NULL); INSERT INTO audit.lines VALUES (1), (2)")
    sql = """
        DELETE FROM customers WHERE name = 'a'; ALTER TABLE orders DROP COLUMN note; DROP TABLE days_2025;
        ALTER TABLE customers ALTER COLUMN name TYPE varchar(40); ALTER TABLE customers ALTER COLUMN name TYPE char(2);
        ALTER TABLE orders ALTER COLUMN customer TYPE bigint; UPDATE "o'dd" SET "a\\b" = NULL;
    """
    before = read_state(Direct(server), 60)
    days = server.must("shop", "SELECT count(*) FROM days").strip()
    assert [str(loss).removesuffix(" rows hold values") for loss in losses_of(sql, Direct(server))] == [
        "table customers, rows deleted: 1",
        "table audit.lines, through its foreign key to customers: 2",
        "table orders, through its foreign key to customers: 2",
        "column orders.note: 1",
        f"table days_2025: {days}",
        "column customers.name, changed to another type: 1",
        "column o'dd.a\\b, overwritten: an unknown number of",
    ]
    assert is_unchanged(before, Direct(server), 60)
    server.must("shop", "CREATE VIEW sly AS SELECT nextval('orders_id_seq') AS id")
    with pytest.raises(Inconclusive, match="read-only"):
        Direct(server).values_held("sly", ["id"])
    assert Direct(server).column_type("customers", "name") == "character varying(20)"
    assert Direct(server).column_type("nowhere", "name") is None


def test_every_table_that_must_be_in_a_dump_is_named_there(server: Cluster, tmp_path: Path) -> None:
    """Partitioned tables have no data themselves. Names of schema, table and owner may contain spaces."""
    server.must(
        "shop", 'CREATE ROLE "shop owner"; CREATE SCHEMA "my schema"; CREATE TABLE "my schema"."odd name" (i int)'
    )
    server.must("shop", 'ALTER TABLE "my schema"."odd name" OWNER TO "shop owner"')
    dump = tmp_path / "dump"
    scope = ("-U", "postgres", "-h", str(server.socket))
    dumping = [str(server.programs / "pg_dump"), *scope, "-d", "shop", "--format", "custom", "--file", str(dump)]
    subprocess.run(dumping, check=True, timeout=60)
    listing = [str(server.programs / "pg_restore"), "--list", str(dump)]
    listed = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=60).stdout
    assert set(Direct(server).tables()) == set(DATA_OF.findall(listed))
    assert "my schema odd name shop owner" in Direct(server).tables()
