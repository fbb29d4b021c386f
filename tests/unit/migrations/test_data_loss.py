"""The data that SQL would destroy, found from its statements and the database's content."""

from collections.abc import Iterable, Mapping

import pytest

from runbook.errors import Inconclusive
from runbook.incident.schema_facts import Loss
from runbook.migrations.data_loss import beyond_accepted, losses_of
from runbook.migrations.destructive_sql import harms
from runbook.migrations.verdict.table_names import Name


class Held:
    """A database with these tables: the number of rows (`*`), and the number of rows with a value per column."""

    def __init__(
        self,
        tables: Mapping[str, Mapping[str, int]],
        types: Mapping[str, str] | None = None,
        referring: Mapping[str, list[str]] | None = None,
    ) -> None:
        self._tables = tables
        self._types = types or {}
        self._referring = referring or {}

    def columns(self) -> dict[str, set[str]]:
        return {table: set(counts) - {"*"} for table, counts in self._tables.items()}

    def values_held(self, table: str, columns: Iterable[str]) -> Mapping[str, int]:
        return {name: self._tables[table][name] for name in ("*", *columns)}

    def column_type(self, table: str, column: str) -> str | None:
        return self._types.get(f"{table}.{column}")

    def referring(self, table: str) -> list[str]:
        return self._referring.get(table, [])


HELD = Held(
    {"orders": {"*": 12, "note": 2, "state": 12, "code": 9, "total": 12}, "customers": {"*": 5, "id": 5}},
    {"orders.state": "integer", "orders.code": "character varying(20)", "orders.total": "numeric(10,2)"},
    {"customers": ["orders"]},
)


def lost(sql: str, held: Held = HELD) -> list[str]:
    return [str(loss) for loss in losses_of(sql, held)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "BEGIN; -- DROP TABLE a\nSELECT 'DROP TABLE b'; COMMIT",
        "CREATE TABLE a (id serial PRIMARY KEY, at timestamptz DEFAULT now()); CREATE INDEX i ON a (id); DROP INDEX i",
        "ALTER TABLE orders ADD COLUMN c int NOT NULL DEFAULT 0, ALTER COLUMN c DROP DEFAULT, ALTER note DROP NOT NULL",
        "ALTER TABLE orders RENAME COLUMN note TO memo; ALTER TABLE orders RENAME TO sales",
        "ALTER TABLE orders DROP CONSTRAINT c; ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)",
        "COMMENT ON TABLE orders IS 'x'; CREATE TYPE mood AS ENUM ('a'); DROP TYPE mood; SET LOCAL lock_timeout = '3s'",
        "INSERT INTO orders (note) SELECT note FROM orders ON CONFLICT DO NOTHING",
        "UPDATE alembic_version SET version_num='r1' WHERE alembic_version.version_num = 'r2'",
        "DELETE FROM alembic_version; DROP TABLE alembic_version",
        "ALTER TABLE orders ADD COLUMN c int; UPDATE orders SET c = state; ALTER TABLE orders ALTER c SET NOT NULL",
        "CREATE TABLE n (a int); INSERT INTO n SELECT id FROM orders; UPDATE n SET a = 1",
        "ALTER TABLE orders ALTER COLUMN state TYPE bigint",
        "ALTER TABLE orders ALTER COLUMN state TYPE bigint USING state::bigint",
        "ALTER TABLE orders ALTER code TYPE varchar(40); ALTER TABLE orders ALTER COLUMN total TYPE numeric(14, 4)",
        "ALTER TABLE orders ALTER COLUMN code TYPE text",
    ],
)
def test_what_destroys_nothing(sql: str) -> None:
    """Statements that are certain to destroy nothing give no loss."""
    assert lost(sql) == []


@pytest.mark.parametrize(
    ("sql", "losses"),
    [
        pytest.param("DROP TABLE customers", ["table customers: 5"], id="table"),
        pytest.param("DROP TABLE IF EXISTS public.orders, audit.c", ["table orders: 12", "table audit.c: ?"], id="all"),
        pytest.param(
            "ALTER TABLE orders DROP COLUMN note, DROP COLUMN x",
            ["column orders.note: 2", "column orders.x: ?"],
            id="col",
        ),
        pytest.param('ALTER TABLE "Odd; name" DROP COLUMN "a--b"', ["column Odd; name.a--b: ?"], id="quoted"),
        pytest.param("TRUNCATE orders", ["table orders, emptied: 12"], id="truncate"),
        pytest.param(
            "TRUNCATE customers CASCADE",
            ["table customers, emptied: 5", "table orders, through its foreign key to customers: 12"],
            id="truncate cascade",
        ),
        pytest.param("DELETE FROM orders WHERE id > 7", ["table orders, rows deleted: 12"], id="delete"),
        pytest.param(
            "DELETE FROM customers",
            ["table customers, rows deleted: 5", "table orders, through its foreign key to customers: 12"],
            id="delete cascades",
        ),
        pytest.param("UPDATE orders SET note = NULL", ["column orders.note, overwritten: 2"], id="update"),
        pytest.param(
            "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = 'x'",
            ["column orders.note, overwritten: 2"],
            id="upsert",
        ),
        pytest.param(
            "ALTER TABLE orders ALTER COLUMN state TYPE bigint USING 0",
            ["column orders.state, changed to another type: 12"],
            id="using",
        ),
        pytest.param(
            "ALTER TABLE orders ALTER COLUMN code TYPE varchar(10)",
            ["column orders.code, changed to another type: 9"],
            id="narrowed",
        ),
        pytest.param(
            "ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 0)",
            ["column orders.total, changed to another type: 12"],
            id="scale",
        ),
        pytest.param(
            "ALTER TABLE orders ALTER COLUMN note TYPE text",
            ["column orders.note, changed to another type: 2"],
            id="type not known",
        ),
        pytest.param(
            "ALTER TABLE orders ALTER state TYPE bigint; ALTER TABLE orders ALTER state TYPE int",
            ["column orders.state, changed to another type: 12"],
            id="there and back",
        ),
        pytest.param("ALTER TABLE log DETACH PARTITION orders", ["table orders, detached: 12"], id="partition"),
        pytest.param(
            "ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text; UPDATE orders SET note = 'x'",
            ["column orders.note, overwritten: 2"],
            id="a column that may be there",
        ),
        pytest.param(
            "ALTER TABLE orders ADD c int; ALTER TABLE orders RENAME TO o; ALTER TABLE b RENAME TO orders;"
            " UPDATE orders SET c = 1",
            ["column orders.c, overwritten: ?"],
            id="added to another table of that name",
        ),
        pytest.param(
            "ALTER TABLE orders RENAME state TO s; ALTER TABLE orders DROP note; ALTER TABLE orders DROP s",
            ["column orders.note: 2", "column orders.s: ?"],
            id="another column by that name",
        ),
        pytest.param(
            "ALTER TABLE orders RENAME TO old; ALTER TABLE customers RENAME TO orders; DROP TABLE orders",
            ["table orders: ?"],
            id="another table by that name",
        ),
    ],
)
def test_loss_that_has_a_name(sql: str, losses: list[str]) -> None:
    """Each loss has a name and the number of rows that hold values; an unknown number is not 0."""
    counted = [
        f"{what}: {'an unknown number of' if rows == '?' else rows} rows hold values"
        for what, _, rows in (loss.rpartition(": ") for loss in losses)
    ]
    assert lost(sql) == counted


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
        "MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE",
        "SELECT forget_all()",
        "SELECT setval('orders_id_seq', 1)",
        "UPDATE alembic_version SET version_num = forget_all()",
        "INSERT INTO orders (note) SELECT forget_all()",
        "ALTER TABLE orders ADD COLUMN c int DEFAULT forget_all()",
        "SELECT audit.lower('x')",
        "DROP SCHEMA audit CASCADE",
        "DROP TYPE mood CASCADE",
        "DROP DOMAIN mood CASCADE",
        "DROP VIEW v CASCADE",
        "DROP FUNCTION f() CASCADE",
        "DROP EXTENSION hstore",
        "DROP MATERIALIZED VIEW v",
        "DROP SEQUENCE s",
        "DROP OWNED BY shop",
        "DROP DATABASE shop",
        "DROP FOREIGN TABLE f",
        "COPY orders FROM '/tmp/x'",
        "PREPARE p AS DELETE FROM orders",
        "EXECUTE p",
        "CALL p()",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "ALTER TABLE orders SET UNLOGGED",
        "ALTER TABLE orders NO INHERIT parent",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "ALTER SEQUENCE s RESTART",
        "ALTER TYPE pair DROP ATTRIBUTE a",
        "SET search_path = audit",
        "SET session_replication_role = replica",
        "REFRESH MATERIALIZED VIEW v",
        "ALTER TABLE orders DROP COLUMN;",
        "UPDATE other.catalog.orders SET note = NULL",
        "\\copy orders from x",
    ],
)
def test_what_is_not_understood_is_unknown_loss(sql: str) -> None:
    """Any other statement is an unknown loss, named with the statement."""
    (loss,) = lost(sql)
    assert loss.startswith("unknown loss (")
    assert loss.endswith("): an unknown number of rows hold values")
    assert sql.split(maxsplit=1)[0] in loss


def test_cascade_is_unknown_besides_what_has_a_name() -> None:
    """CASCADE adds an unknown loss: the objects that depend on the table or column."""
    for sql, name in (
        ("DROP TABLE customers CASCADE", "table customers"),
        ("ALTER TABLE orders DROP note CASCADE", ""),
    ):
        losses = lost(sql)
        assert len(losses) == 2
        assert name in losses[0]
        assert losses[1].startswith("unknown loss")


def test_statement_that_cannot_be_read_hides_no_other() -> None:
    """The losses before and after an unreadable statement are still named."""
    losses = lost("DROP TABLE customers; GIBBERISH; ALTER TABLE orders DROP COLUMN note")
    assert [loss.split(":")[0].split(" (")[0] for loss in losses] == [
        "table customers", "unknown loss", "column orders.note",
    ]  # fmt: skip


def test_count_that_fails_is_an_unknown_number() -> None:
    """A count that times out gives an unknown number: no error, and no 0."""

    class Slow(Held):
        def values_held(self, _table: str, _columns: Iterable[str]) -> Mapping[str, int]:
            raise Inconclusive("canceling statement due to statement timeout", "")

    assert lost("DROP TABLE orders", Slow({"orders": {"*": 1}})) == [
        "table orders: an unknown number of rows hold values"
    ]


def test_bookkeeping_elsewhere_is_no_loss() -> None:
    """Only the version table with the configured name and schema is left out."""
    sql = "DELETE FROM audit.versions; DELETE FROM alembic_version"
    assert [harm.table for harm in harms(sql, Name("audit", "versions"))] == [Name(None, "alembic_version")]


@pytest.mark.parametrize(
    ("accepted", "now", "more"),
    [
        pytest.param([Loss("a", 3)], [Loss("a", 3)], [], id="same"),
        pytest.param([Loss("a", 3)], [Loss("a", 2)], [], id="fewer"),
        pytest.param([Loss("a", 3)], [Loss("a", 4)], [Loss("a", 4)], id="more rows"),
        pytest.param([Loss("a", 3)], [Loss("b", 0)], [Loss("b", 0)], id="something else"),
        pytest.param([Loss("a", 3)], [Loss("a", None)], [Loss("a", None)], id="no longer known"),
        pytest.param([Loss("a", None)], [Loss("a", 9)], [Loss("a", 9)], id="an unknown number was accepted"),
        pytest.param([Loss("a", None)], [Loss("a", None)], [Loss("a", None)], id="nobody ever knew"),
        pytest.param([], [Loss("a", 0)], [Loss("a", 0)], id="nothing was accepted"),
    ],
)
def test_loss_that_is_more_than_was_accepted(accepted: list[Loss], now: list[Loss], more: list[Loss]) -> None:
    """Only losses that were accepted, with no more rows than then, are covered."""
    assert beyond_accepted(accepted, now, unchanged=False) == more


@pytest.mark.parametrize("now", [None, 9])
def test_unknown_number_in_an_unmoved_database_is_the_one_accepted(now: int | None) -> None:
    """An accepted loss of unknown size is still covered if nothing was written since."""
    assert beyond_accepted([Loss("a", None)], [Loss("a", now)], unchanged=True) == []
    assert beyond_accepted([Loss("a", None)], [Loss("b", now)], unchanged=True) == [Loss("b", now)]
