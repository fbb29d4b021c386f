"""The catalog of a real PostgreSQL in a release snapshot: the schema in a fixed order, and no data."""

from collections.abc import Iterator

import pytest

from runbook.errors import Inconclusive
from runbook.migrations.catalog import catalog_of
from tests.engine.postgres_cluster import Cluster, cluster
from tests.engine.test_database_state import Direct

SCHEMA = """
CREATE SCHEMA audit;
CREATE TYPE audit.kind AS ENUM ('new', 'it''s old');
CREATE TABLE orders (id int PRIMARY KEY, price numeric(8, 2) NOT NULL CHECK (price > 0), note varchar(20), gone int);
ALTER TABLE orders DROP COLUMN gone;
CREATE TABLE audit.lines (orders int REFERENCES orders, kind audit.kind NOT NULL);
CREATE TABLE days (day date) PARTITION BY RANGE (day);
CREATE VIEW cheap AS SELECT id FROM orders;
INSERT INTO orders VALUES (1, 1, 's3cr3t-4711');
"""
CATALOG = [
    ("column", "audit.lines.kind", "audit.kind not null"),
    ("column", "audit.lines.orders", "integer"),
    ("column", "public.days.day", "date"),
    ("column", "public.orders.id", "integer not null"),
    ("column", "public.orders.note", "character varying(20)"),
    ("column", "public.orders.price", "numeric(8,2) not null"),
    ("constraint", "audit.lines.lines_orders_fkey", "FOREIGN KEY (orders) REFERENCES public.orders(id)"),
    ("constraint", "public.orders.orders_pkey", "PRIMARY KEY (id)"),
    ("constraint", "public.orders.orders_price_check", "CHECK ((price > (0)::numeric))"),
    ("enum", "audit.kind", "'new', 'it''s old'"),
    ("table", "audit.lines", "table"),
    ("table", "public.days", "partitioned table"),
    ("table", "public.orders", "table"),
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A PostgreSQL with a database `shop`."""
    with cluster() as found:
        found.must("postgres", "CREATE DATABASE shop;")
        found.must("shop", SCHEMA)
        yield found


def test_it_is_the_schema_in_one_order(server: Cluster) -> None:
    """Tables, columns, constraints and labels with full names; no view, no dropped column, no row of a table."""
    assert catalog_of(Direct(server)) == CATALOG


def test_names_of_the_application_stand_for_nothing_of_the_servers(server: Cluster) -> None:
    """A function and an operator with the same names, first in the user's search path, are not called."""
    server.must(
        "shop",
        "CREATE SCHEMA trap; CREATE FUNCTION trap.format_type(oid, int) RETURNS text LANGUAGE sql AS $$SELECT 'trap'$$;"
        " ALTER DATABASE shop SET search_path = trap, pg_catalog, public;",
    )
    try:
        assert catalog_of(Direct(server)) == CATALOG
    finally:
        server.must("shop", "DROP SCHEMA trap CASCADE; ALTER DATABASE shop RESET search_path;")


def test_database_with_more_than_is_kept(server: Cluster) -> None:
    """A catalog that is too large is unknown, not half known."""
    columns = ", ".join(f"c{number} int" for number in range(1500))
    server.must("shop", "".join(f"CREATE TABLE wide{number} ({columns});" for number in range(14)))
    try:
        with pytest.raises(Inconclusive, match="more than 20000 rows"):
            catalog_of(Direct(server))
    finally:
        server.must("shop", "".join(f"DROP TABLE wide{number};" for number in range(14)))
