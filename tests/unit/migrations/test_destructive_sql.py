"""The harms of SQL: table or column, kind, new type, and whether the name means something else by then."""

import pytest

from runbook.incident.schema_facts import Loss
from runbook.migrations.data_loss import largest, unknown_loss
from runbook.migrations.destructive_sql import Harm, How, harms
from runbook.migrations.verdict.table_names import Name

ORDERS = Name(None, "orders")


def only(sql: str) -> Harm:
    (found,) = harms(sql)
    return found


@pytest.mark.parametrize(
    ("sql", "how", "column"),
    [
        ("DROP TABLE orders", How.DROPPED, None),
        ("TRUNCATE orders", How.EMPTIED, None),
        ("DELETE FROM orders", How.DELETED, None),
        ("UPDATE orders SET note = 'x'", How.OVERWRITTEN, "note"),
        ("INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = 'x'", How.OVERWRITTEN, "note"),
        ("ALTER TABLE orders DROP COLUMN note", How.DROPPED, "note"),
        ("ALTER TABLE orders ALTER COLUMN note TYPE text", How.RETYPED, "note"),
    ],
)
def test_harm_names_what_it_hits(sql: str, how: How, column: str | None) -> None:
    """A harm has the table, the column if there is one, and the statement's text."""
    found = only(sql)
    assert (found.how, found.table, found.column) == (how, ORDERS, column)
    assert found.statement[:6] == sql[:6]
    assert not found.renamed


@pytest.mark.parametrize(
    ("sql", "cascades"),
    [
        ("DELETE FROM orders", True),
        ("TRUNCATE orders CASCADE", True),
        ("TRUNCATE orders", False),
        ("UPDATE orders SET note = 'x'", False),
    ],
)
def test_other_tables_may_be_hit_too(sql: str, *, cascades: bool) -> None:
    """DELETE and TRUNCATE CASCADE may also remove rows that reference the removed rows."""
    assert only(sql).cascades is cascades


@pytest.mark.parametrize(
    ("change", "new_type"),
    [
        ("varchar(20)", "varchar(20)"),
        ("numeric(12, 2)", "numeric(12,2)"),
        ("text", "text"),
        ("text USING note::text", "text"),
        ("text USING upper(note)", None),
        ("int[]", None),
        ("audit.kind", None),
    ],
)
def test_new_type_is_told_where_the_values_are_kept(change: str, new_type: str | None) -> None:
    """The new type is None for computed values, arrays and user-defined types."""
    found = only(f"ALTER TABLE orders ALTER COLUMN note TYPE {change}").new_type
    assert (found and str(found)) == new_type


@pytest.mark.parametrize(
    "before",
    [
        "ALTER TABLE customers RENAME TO orders",
        "CREATE TABLE orders (id int)",
        "ALTER TABLE orders RENAME COLUMN comment TO note",
        "ALTER TABLE audit.orders SET SCHEMA public",
    ],
)
def test_name_that_stands_for_something_else_has_moved(before: str) -> None:
    """A harm is marked `renamed` if its name meant something else before this SQL."""
    assert harms(f"{before}; ALTER TABLE orders DROP COLUMN note")[-1].renamed
    assert not harms(f"ALTER TABLE orders DROP COLUMN note; {before}")[0].renamed


def test_what_the_same_sql_has_added_is_not_overwritten() -> None:
    """Filling a column that this SQL added overwrites nothing, unless a rename has reused the name."""
    added, filled = "ALTER TABLE orders ADD COLUMN note text", "UPDATE orders SET note = 'x'"
    assert harms(f"{added}; {filled}") == []
    renamed = "ALTER TABLE orders RENAME COLUMN old TO note"
    assert harms(f"{added}; {renamed}; {filled}")[0].how is How.OVERWRITTEN


@pytest.mark.parametrize(
    "sql", ["GIBBERISH", "DO $$ BEGIN END $$", "SELECT mine()", "SET search_path = x", "\x00", "'"]
)
def test_what_cannot_be_named_is_a_harm_of_its_own(sql: str) -> None:
    """SQL that cannot be read gives an unknown harm, without an error."""
    assert [(each.how, each.table) for each in harms(sql)] == [(How.UNKNOWN, None)]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("UPDATE orders SET note = '' WHERE note IS NULL", []),
        ("UPDATE orders o SET note = '', total = 0 WHERE o.note IS NULL AND (total IS NULL AND paid)", []),
        ("UPDATE orders SET note = '', total = 0 WHERE note IS NULL", ["total"]),
        ("UPDATE orders SET note = '' WHERE note IS NULL OR paid", ["note"]),
        ("UPDATE orders SET note = '' WHERE NOT note IS NULL", ["note"]),
        ("UPDATE orders o SET note = '' FROM other WHERE other.note IS NULL", ["note"]),
        ("UPDATE orders o SET note = '' WHERE EXISTS (SELECT 1 FROM other WHERE note IS NULL)", ["note"]),
    ],
)
def test_where_there_was_no_value_none_is_lost(sql: str, columns: list[str]) -> None:
    """A column that is overwritten only where it IS NULL is no harm, if WHERE says so for all changed rows."""
    assert [each.column for each in harms(sql)] == columns


@pytest.mark.parametrize(
    ("sql", "harmful"),
    [
        ("ALTER SEQUENCE s AS bigint", False),
        ("ALTER SEQUENCE s CACHE 9", False),
        ("ALTER SEQUENCE s RESTART", True),
    ],
)
def test_a_sequence_holds_its_number(sql: str, harmful: bool) -> None:  # noqa: FBT001 - the expected answer
    """RESTART of a sequence is a harm, because rows may already have the numbers that it gives next."""
    assert bool(harms(sql)) is harmful


def test_nothing_is_no_harm() -> None:
    """SQL without a statement destroys nothing."""
    assert harms("") == harms("-- nothing\n;") == []


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ([], []),
        ([Loss("a", 3), Loss("b", 0), Loss("a", 2)], [Loss("a", 3), Loss("b", 0)]),
        ([Loss("a", 2), Loss("a", 3)], [Loss("a", 3)]),
        ([Loss("a", None), Loss("a", 9)], [Loss("a", None)]),
        ([Loss("a", 9), Loss("a", None), Loss("a", 1)], [Loss("a", None)]),
    ],
)
def test_most_of_several_looks_counts(losses: list[Loss], told: list[Loss]) -> None:
    """Each loss is listed once with its largest number; unknown is larger than any number."""
    assert largest(iter(losses)) == told


def test_unknown_loss_says_why() -> None:
    """An unknown loss shows its reason and has no number of rows."""
    assert str(unknown_loss("no answer")) == "unknown loss (no answer): an unknown number of rows hold values"
