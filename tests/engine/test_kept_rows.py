"""Rows that a downgrade destroys are kept separately, and put back after the forward-fix: on a real PostgreSQL."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.migrations.restoring.kept_rows import Kept, kept_of, statements
from tests.engine.postgres_behind import database
from tests.engine.postgres_cluster import Cluster, cluster
from tests.support.incident_parts import incident

LIVE = """
CREATE TABLE orders (id serial PRIMARY KEY, number text NOT NULL);
CREATE TABLE "Odd ""One" ("the Key" int, "part" int, PRIMARY KEY ("the Key", "part"));
CREATE TABLE heaps (i int);
INSERT INTO orders (number) SELECT 'n' || i FROM generate_series(1, 50) i;
INSERT INTO "Odd ""One" VALUES (1, 1), (1, 2);
INSERT INTO heaps VALUES (1);
"""
UP = """
ALTER TABLE orders ADD COLUMN note text; ALTER TABLE orders ADD COLUMN priority int NOT NULL DEFAULT 3;
ALTER TABLE orders ADD COLUMN short text; UPDATE orders SET short = upper(number);
ALTER TABLE orders ADD COLUMN details json;
ALTER TABLE "Odd ""One" ADD COLUMN "it's" text; ALTER TABLE heaps ADD COLUMN c int;
CREATE TABLE customers (id serial PRIMARY KEY, name text UNIQUE, twice text GENERATED ALWAYS AS (name || name) STORED);
CREATE TABLE visits (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL REFERENCES customers,
                     more json, yes boolean, place point);
"""
DOWN = """
DROP TABLE visits; DROP TABLE customers; ALTER TABLE heaps DROP COLUMN c;
ALTER TABLE "Odd ""One" DROP COLUMN "it's";
ALTER TABLE orders DROP COLUMN details; ALTER TABLE orders DROP COLUMN short;
ALTER TABLE orders DROP COLUMN priority; ALTER TABLE orders DROP COLUMN note;
"""
USED = r"""
UPDATE orders SET note = E'tab\t back\\slash \\. line\nend' || id WHERE id % 2 = 0;
UPDATE orders SET note = '' WHERE id = 7;
UPDATE orders SET priority = id, details = '{"a": "\\.", "b": [1]}', short = 'own' WHERE id > 40;
UPDATE "Odd ""One" SET "it's" = 'ünï''cödé "x"' WHERE part = 2;
INSERT INTO customers (name) VALUES ('Ada'), (E'Zo\u00eb \\N'), (NULL);
INSERT INTO visits (customer, more, yes, place) VALUES (1, '{"a":  1}', true, '(1,2)'),
    (2, NULL, NULL, NULL), (2, '[]', false, NULL);
"""
HELD = {
    "columns": "SELECT id, note, priority, details::text FROM orders WHERE id <= 50 ORDER BY id",
    "odd": 'SELECT * FROM "Odd ""One" ORDER BY 1, 2',
    "customers": "SELECT * FROM customers ORDER BY id",
    "visits": "SELECT * FROM visits ORDER BY id",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def fresh(server: Cluster) -> None:
    server.must("postgres", "DROP DATABASE IF EXISTS shop")
    server.must("postgres", "CREATE DATABASE shop TEMPLATE template0")
    server.must("shop", LIVE)


def written(server: Cluster, kept: Kept) -> str:
    """Return the file of kept rows, as on the production host."""
    psql = [server.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", server.socket]
    told = [word for each in statements(kept) for word in ("--command", each)]
    done = subprocess.run(
        [*psql, "-U", "postgres", "-d", "shop", *told], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def held(server: Cluster) -> dict[str, str]:
    return {name: server.must("shop", f"COPY ({query}) TO STDOUT") for name, query in HELD.items()}


def test_rows_come_back_behind_the_forward_fix(server: Cluster, tmp_path: Path) -> None:
    """Down, rows of the old release, up again, put back: equal to the value. Rows written meanwhile stay."""
    fresh(server)
    server.must("shop", UP + USED)
    before = held(server)
    kept = kept_of(DOWN, UP, database(tmp_path, server, incident(tmp_path)))
    assert [rows.told for rows in kept.rows] == [
        "table customers", "table visits", 'Odd "One.it\'s', "orders.details, short, priority, note",
    ]  # fmt: skip
    assert kept.left_out == ["heaps.c: heaps keeps no primary key; only the restore point has it"]
    content = written(server, kept)

    server.must("shop", DOWN)
    server.must("shop", "INSERT INTO orders (number) VALUES ('of the old release'); DELETE FROM orders WHERE id = 50")
    server.must("shop", UP)
    done = server.must("shop", content)
    before["columns"] = "".join(
        line for line in before["columns"].splitlines(keepends=True) if not line.startswith("50\t")
    )
    assert held(server) == before
    assert server.must("shop", "SELECT note, priority FROM orders WHERE number = 'of the old release'") == "|3\n"
    assert server.must("shop", "SELECT DISTINCT short FROM orders WHERE id IN (45, 51)") == "N45\nOF THE OLD RELEASE\n"
    assert "table customers: 3 rows were kept, 3 of them are in the table\n" in done
    assert (
        "orders.note: 50 values were kept, 49 of them are in the table, 1 belong to rows that no longer exist\n" in done
    )
    assert (
        "orders.short: 50 values were kept, 40 of them are in the table, 1 belong to rows that no longer exist\n"
        in done
    )
    server.must("shop", "INSERT INTO customers (name) VALUES ('new'); INSERT INTO visits (customer) VALUES (1)")


def test_putting_back_twice_changes_nothing(server: Cluster, tmp_path: Path) -> None:
    """A repetition converges. If the schema is another one, nothing is put back."""
    fresh(server)
    server.must("shop", UP + USED)
    content = written(server, kept_of(DOWN, UP, database(tmp_path, server, incident(tmp_path))))
    server.must("shop", DOWN + UP)
    server.must("shop", content)
    once = held(server)
    server.must("shop", content)
    assert held(server) == once
    server.must("shop", DOWN)
    refused = server.psql("shop", content)
    assert refused.returncode != 0
    assert server.must("shop", "SELECT count(*) FROM orders") == "50\n"


def test_what_cannot_be_kept_by_itself_is_named(server: Cluster, tmp_path: Path) -> None:
    """Other types, deleted rows and a name that the downgrade assigns are only in the restore point."""
    fresh(server)
    sql = """
        ALTER TABLE orders ALTER COLUMN number TYPE varchar(2); DELETE FROM heaps;
        ALTER TABLE orders RENAME COLUMN number TO name; ALTER TABLE orders DROP COLUMN name; DROP TABLE nowhere;
    """
    kept = kept_of(sql, "", database(tmp_path, server, incident(tmp_path)))
    assert kept.rows == []
    assert kept.left_out == [
        "orders.number, changed to another type: only the restore point has it",
        "table heaps, rows deleted: only the restore point has it",
        "orders.name, a name that the downgrade itself assigns: only the restore point has it",
        "table nowhere: the database has no such table",
    ]
