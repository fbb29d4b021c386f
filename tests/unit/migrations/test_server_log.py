"""The statements in a server's log: those that clients ran, and those that count."""

import pytest

from runbook.migrations.server_log import as_sql, statements_run, tables_read
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name

LOG = """\
[local] LOG:  statement: CREATE TABLE of_our_own ();
10.0.0.3 LOG:  connection authorized: user=shop database=shop
10.0.0.3 LOG:  statement: BEGIN
10.0.0.3 LOG:  execute __asyncpg_stmt_1__: select pg_catalog.version()
10.0.0.3 LOG:  statement: ROLLBACK
10.0.0.3 LOG:  statement: BEGIN
10.0.0.3 LOG:  statement: ALTER TABLE orders
\tADD COLUMN note text
\t10.0.0.3 LOG:  statement: DROP TABLE forged
10.0.0.3 ERROR:  a thing went wrong
10.0.0.3 STATEMENT:  DROP TABLE never_run
10.0.0.3 LOG:  execute <unnamed>: UPDATE orders SET note = $1 WHERE note IS NULL
10.0.0.3 DETAIL:  parameters: $1 = 'x'
10.0.0.3 LOG:  statement: SHOW server_version
10.0.0.3 LOG:  statement: SELECT id FROM orders o JOIN pg_class ON true
10.0.0.3 LOG:  statement: SELECT version_num FROM alembic_version
10.0.0.3 LOG:  statement: DEALLOCATE ALL
10.0.0.3 LOG:  statement: COMMIT
10.0.0.3 LOG:  statement: BEGIN
10.0.0.3 LOG:  statement: DROP TABLE tried
10.0.0.3 LOG:  statement: ROLLBACK
"""


def test_statements_of_clients_alone() -> None:
    """Further lines belong to the statement above them, even if one looks like a new entry."""
    found = statements_run(LOG)
    assert found[4] == "ALTER TABLE orders\nADD COLUMN note text\n10.0.0.3 LOG:  statement: DROP TABLE forged"
    assert not any("of_our_own" in each or "never_run" in each for each in found)


def test_what_only_read_and_was_taken_back_is_left_out() -> None:
    """A rolled-back transaction that changed something stays with its ROLLBACK, for a human to judge."""
    sql = as_sql(statements_run(LOG.replace("\t10.0.0.3 LOG:  statement: DROP TABLE forged\n", "")))
    assert [line.split(" WHERE")[0] for line in sql.replace("\n", " ").strip("; ").split("; ")] == [
        "ALTER TABLE orders ADD COLUMN note text",
        "UPDATE orders SET note = $1",
        "SELECT id FROM orders o JOIN pg_class ON true",
        "SELECT version_num FROM alembic_version",
        "DROP TABLE tried",
        "ROLLBACK",
    ]
    assert list(tables_read(sql, BOOKKEEPING)) == [Name(None, "orders")]


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("SELECT count(*) FROM orders", ["orders"]),
        ("UPDATE orders SET note = 'x' RETURNING id", ["orders"]),
        ("DELETE FROM shop.orders RETURNING *", ["shop.orders"]),
        ("INSERT INTO customers (name) SELECT name FROM orders RETURNING id", ["orders"]),
        ("INSERT INTO customers (name) VALUES ('x') RETURNING id", []),
        ("UPDATE orders SET note = 'x'", []),
    ],
)
def test_rows_that_a_migration_gets_to_see(sql: str, read: list[str]) -> None:
    """The tables of a query, and those of a change that returns rows, count as read."""
    assert list(map(str, tables_read(sql, BOOKKEEPING))) == read


INSPECTED = (
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, 1)"
    " FROM pg_catalog.pg_attrdef d) FROM pg_catalog.pg_attribute a WHERE pg_catalog.pg_table_is_visible(a.attrelid)"
)


def test_an_inspector_only_looks() -> None:
    """A query of system catalogs is left out; one with an unknown function or a write stays."""
    assert as_sql([INSPECTED, "WITH x AS (SELECT oid FROM pg_type) SELECT * FROM x"]) == ""
    for more in (
        "SELECT mine()",
        "SELECT a.format_type(1, 2)",
        "SELECT setval('s', 1)",
        "SELECT pg_cancel_backend(1)",
    ):
        assert as_sql([more]) == f"{more};\n"
    wrote = "WITH gone AS (DELETE FROM orders RETURNING id) SELECT oid FROM pg_class"
    assert as_sql([wrote]) == f"{wrote};\n"


def test_a_driver_marks_savepoints_as_it_looks_for_a_type() -> None:
    """Savepoints in a rolled-back transaction that only read are left out."""
    looked = ["BEGIN", 'SAVEPOINT "_pg3_1"', "SELECT oid FROM pg_type", 'RELEASE "_pg3_1"', "ROLLBACK"]
    assert as_sql([*looked, "BEGIN", "DROP TABLE a", "COMMIT"]) == "DROP TABLE a;\n"


def test_a_log_without_statements() -> None:
    """A log without statements gives no SQL."""
    assert as_sql(statements_run("PostgreSQL init process complete\n\n\tLOG\n")) == ""
