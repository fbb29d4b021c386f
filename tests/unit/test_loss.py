"""What a downgrade would destroy, by its SQL and by what the database holds."""

from collections.abc import Iterable, Mapping

import pytest

from runbook.errors import Inconclusive
from runbook.migrations.loss import Loss, dropped, named
from runbook.migrations.names import Name


class Held:
    """A catalog of these tables, each with how many rows hold a value, in all (`*`) and by column."""

    def __init__(self, tables: Mapping[str, Mapping[str, int]]) -> None:
        self._tables = tables

    def columns(self) -> dict[str, set[str]]:
        return {table: set(counts) - {"*"} for table, counts in self._tables.items()}

    def values_held(self, table: str, columns: Iterable[str]) -> Mapping[str, int]:
        return {name: self._tables[table][name] for name in ("*", *columns)}


@pytest.mark.parametrize(
    ("sql", "drops"),
    [
        pytest.param("DROP TABLE customers", [("customers", None)], id="table"),
        pytest.param(
            "DROP TABLE IF EXISTS a, public.b, audit.c", [("a", None), ("b", None), ("audit.c", None)], id="all"
        ),
        pytest.param(
            "ALTER TABLE orders DROP COLUMN note, DROP COLUMN x", [("orders", "note"), ("orders", "x")], id="col"
        ),
        pytest.param('ALTER TABLE "Odd; name" DROP COLUMN "a--b"', [("Odd; name", "a--b")], id="quoted"),
        pytest.param("TRUNCATE audit.log", [("audit.log", None)], id="truncate"),
        pytest.param("DELETE FROM orders WHERE id > 7", [("orders", None)], id="delete"),
        pytest.param("DELETE FROM alembic_version; DROP TABLE alembic_version", [], id="bookkeeping"),
        pytest.param("DROP INDEX i; ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t ADD c int", [], id="no loss"),
        pytest.param("BEGIN; -- DROP TABLE a\nSELECT 'DROP TABLE b'; COMMIT", [], id="words only"),
    ],
)
def test_what_sql_drops(sql: str, drops: list[tuple[str, str | None]]) -> None:
    """Tables and columns that go are found in the parsed SQL, and nothing else is."""
    assert dropped(sql) == drops


def test_sql_that_cannot_be_parsed_is_not_harmless() -> None:
    """SQL that cannot be parsed is inconclusive, never an empty loss."""
    with pytest.raises(Inconclusive, match="cannot be parsed"):
        dropped("ALTER TABLE orders DROP COLUMN;")


def test_loss_counts_the_rows_that_hold_values() -> None:
    """A column counts its own values, a table its rows."""
    held = Held({"orders": {"*": 12, "note": 2}, "customers": {"*": 5}})
    found = named("ALTER TABLE orders DROP COLUMN note; DROP TABLE customers", held)  # type: ignore[arg-type]
    assert [str(loss) for loss in found] == [
        "column orders.note: 2 rows hold values",
        "table customers: 5 rows hold values",
    ]


def test_what_the_catalog_does_not_know_is_unknown_not_empty() -> None:
    """A column that is renamed on the way is not in the catalog by that name, and its rows are unknown."""
    found = named("ALTER TABLE orders DROP COLUMN later; DROP TABLE new", Held({"orders": {"*": 12}}))  # type: ignore[arg-type]
    assert found == [Loss("orders", "later", None), Loss("new", None, None)]
    assert "an unknown number of rows" in str(found[0])


def test_bookkeeping_elsewhere_is_no_loss() -> None:
    """Alembic's own table is left out by the name and schema that it has, and no other of that name."""
    sql = "DELETE FROM audit.versions; DELETE FROM alembic_version"
    assert dropped(sql, Name("audit", "versions")) == [("alembic_version", None)]
