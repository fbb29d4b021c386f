"""Relaxing a schema for the target on a real PostgreSQL: no row is touched, and everything is undone again."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from runbook.chapters.evidence import bridging
from runbook.chapters.evidence.schema_trial import TrialResult, TriedStatements
from runbook.errors import Inconclusive
from runbook.incident.schema_facts import Bridge
from runbook.migrations.bridge.definitions import definitions_in
from runbook.migrations.bridge.hopes import possible_relaxations
from runbook.migrations.bridge.names import views
from runbook.migrations.bridge.relaxation import Relaxation, candidates, in_order, smallest, without
from runbook.migrations.bridge.shapes import shapes_in
from runbook.migrations.image.mapped_models import MappedColumn, MappedTable, Models, UniqueKey
from runbook.migrations.model_statements import statements_of_models
from runbook.migrations.verdict.ddl.dispatch import folded
from runbook.migrations.verdict.findings import ADDITIVE, Verdict
from runbook.migrations.verdict.judge import judge
from runbook.migrations.verdict.statements import statements_of
from tests.engine.postgres_cluster import Cluster, cluster
from tests.engine.relaxed_schemas import NEVER, RELAXED, RENAMED
from tests.engine.schema_copy import Copy, database


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def column(name: str, kind: str = "TEXT", *, nullable: bool = False, key: bool = False, fills: bool = False) -> Any:
    return MappedColumn(name, kind, nullable, key, server_default=fills or key)


def orders(*columns: MappedColumn, uniques: tuple[UniqueKey, ...] = ()) -> MappedTable:
    return MappedTable("orders", (column("id", "INTEGER", key=True), *columns), foreign_keys=(), uniques=uniques)


BEFORE = """
CREATE TABLE orders (id serial PRIMARY KEY, number text NOT NULL, amount integer, room text, state text NOT NULL DEFAULT
    'new');
CREATE INDEX orders_number ON orders (number);
CREATE TABLE customers (id serial PRIMARY KEY, name text);
COMMENT ON TABLE orders IS 'what was ordered';
INSERT INTO orders (number, amount, room) VALUES ('one', 1, 'a'), ('two', 2, 'b');
INSERT INTO customers (name) VALUES ('Ada');
"""
MODELS = Models(
    (
        orders(
            column("number"), column("amount", "INTEGER", nullable=True), column("room", nullable=True),
            column("state", fills=True),
        ),
        MappedTable("customers", (column("id", "INTEGER", key=True), column("name", nullable=True)), foreign_keys=()),
    )
)  # fmt: skip


def known(old: Copy, models: Models) -> TrialResult:
    """Return what a trial finds about a schema that the code with these models knows."""
    beginning = old.beginning()
    code = TriedStatements(statements_of_models(models), beginning.path)
    return TrialResult(then=tuple(code.refused(*old.told(code.part))), then_catalog=beginning.catalog)


@pytest.fixture(scope="module")
def then(server: Cluster) -> TrialResult:
    """What a trial finds about the schema that the target knows."""
    with database(server, BEFORE) as old:
        return known(old, MODELS)


def built(copy: Copy, up: str, then: TrialResult, models: Models = MODELS) -> Bridge:
    """Return the bridge for what `up` did. Raises Inconclusive if there is none."""
    defaults = {name: detail for kind, name, detail in then.then_catalog or () if kind == "default"}
    beginning, statements = copy.beginning(), list(statements_of(up))
    there, shapes = definitions_in(beginning.definitions or ()), shapes_in(beginning.shapes or ())
    delta = folded(statements)
    found = candidates(delta, models, there, defaults)
    found += views(delta, models, shapes, there, statements)

    def suffices(relaxed: Sequence[Relaxation]) -> bool:
        judged = judge(up, models, without=lambda delta: without(delta, relaxed))
        return judged.verdict in (Verdict.UNCHANGED, ADDITIVE)

    needed = smallest(in_order(found), suffices)
    hopes = possible_relaxations(delta, models, statements, defaults)
    assert (bool(hopes) and suffices(hopes)) or needed is None
    if needed is None:
        raise Inconclusive("there is none", "")
    return bridging.tried_on(copy, beginning, then, needed, models)  # type: ignore[arg-type]  # stands in


@pytest.mark.parametrize("kind", RELAXED)
def test_relaxed_and_made_again(server: Cluster, then: TrialResult, kind: str) -> None:
    """One statement each way; no row changes; only the bridge lets the target's write pass; it is named as a risk."""
    case = RELAXED[kind]
    with database(server, BEFORE, case.up) as copy:
        before, content = copy.dump(), copy.content()
        assert server.psql(copy.name, case.write).returncode, "without the bridge the write is refused"
        bridge = built(copy, case.up, then)
        assert (bridge.up, bridge.down) == ((case.lifts,), (case.makes,))
        assert [each.rows for each in bridge.relaxed] == [case.rows]
        assert copy.content() == content
        server.must(copy.name, case.write)
        if case.rows:
            assert len(server.must(copy.name, case.rows).splitlines()) == 1
            with pytest.raises(Inconclusive):
                copy.carry_out(bridge.down)
        server.must(copy.name, case.mended)
        content = copy.content()
        copy.carry_out(bridge.down)
        assert (copy.dump(), copy.content()) == (before, content)


@pytest.mark.parametrize("kind", NEVER)
def test_never_where_a_row_would_be_lost(server: Cluster, then: TrialResult, kind: str) -> None:
    """If only rows or a person could bring something back, there is no bridge, even next to relaxable changes."""
    with database(server, BEFORE, NEVER[kind]) as copy:
        before = copy.dump()
        with pytest.raises(Inconclusive):
            built(copy, NEVER[kind], then)
        assert copy.dump() == before


def test_smallest(server: Cluster, then: TrialResult) -> None:
    """Of three constraints that the range tightened, only the two that block the target are relaxed."""
    up = (
        "ALTER TABLE orders ADD CONSTRAINT told CHECK (number IS NOT NULL), ADD CONSTRAINT small CHECK (amount < 3);"
        "ALTER TABLE orders ADD UNIQUE (id, number), ADD UNIQUE (room)"
    )
    with database(server, BEFORE, up) as copy:
        bridge = built(copy, up, then)
    assert [each.what for each in bridge.relaxed] == [
        "constraint small of orders is lifted",
        "constraint orders_room_key of orders is lifted",
    ]


NEXT = "SELECT setval(oid, {}) FROM pg_class WHERE relname = 'orders_id_seq'"
#: As SQLAlchemy 2 writes them: one row, several rows, an upsert, a lock, an update and a deletion.
WRITES = """
INSERT INTO orders (number, amount, room) VALUES ('three', 3, 'c') RETURNING orders.id, orders.state;
INSERT INTO orders (number, amount, room) SELECT p0::text, p1::integer, p2::text FROM (VALUES ('four', 4, 'd', 0),
    ('five', 5, 'e', 1)) AS imp_sen (p0, p1, p2, sen_counter) ORDER BY sen_counter
    RETURNING orders.id, orders.state, orders.id AS id__1;
INSERT INTO orders (id, number, amount) VALUES (1, 'one', 10)
    ON CONFLICT (id) DO UPDATE SET amount = excluded.amount RETURNING orders.id, orders.state;
SELECT orders.id, orders.state FROM orders WHERE orders.id = 3 FOR UPDATE;
UPDATE orders SET amount = 40 WHERE orders.number = 'four' RETURNING orders.id, orders.state;
DELETE FROM orders WHERE orders.number = 'five' RETURNING orders.id, orders.state;
"""


@pytest.mark.parametrize("kind", RENAMED)
def test_old_names_beside_new_ones(server: Cluster, then: TrialResult, kind: str) -> None:
    """Old and new rows are read and written by the old names, and read by the new. Afterwards all is as before."""
    up, lifts, makes, new = RENAMED[kind]
    with database(server, BEFORE, "GRANT SELECT ON orders TO PUBLIC", up) as copy:
        before, content = copy.dump(), copy.content()
        assert server.psql(copy.name, WRITES).returncode, "without the bridge the names are gone"
        bridge = built(copy, up, then)
        assert bridge.up == lifts
        assert bridge.down == makes
        assert [each.rows for each in bridge.relaxed] == [""]
        assert copy.content() == content
        server.must(copy.name, NEXT.format(2))  # the trial used up sequence numbers
        answers = server.must(copy.name, WRITES).splitlines()
        assert answers == ["3|new", "4|new|4", "5|new|5", "1|new", "3|new", "4|new", "5|new"]
        read = "SELECT number, amount FROM orders ORDER BY id"
        assert server.must(copy.name, read).splitlines() == ["one|10", "two|2", "three|3", "four|40"]
        assert server.must(copy.name, new).splitlines() == ["10", "2", "3", "40"]
        copy.carry_out(bridge.down)
        assert copy.dump() == before
        assert server.psql(copy.name, WRITES).returncode


SPLIT = """
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, CONSTRAINT customers_name UNIQUE (name));
INSERT INTO customers (name) SELECT DISTINCT customer FROM orders;
ALTER TABLE orders ADD COLUMN customer_id integer;
UPDATE orders SET customer_id = customers.id FROM customers WHERE customers.name = orders.customer;
ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE orders DROP COLUMN customer;
ALTER TABLE orders RENAME COLUMN quantity TO pieces;
ALTER TABLE orders ADD COLUMN note text;
"""
WHOLE = """
CREATE TABLE orders (id serial PRIMARY KEY, customer text NOT NULL, quantity integer NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT '2026-01-01 00:00+00');
INSERT INTO orders (customer, quantity) VALUES ('Ada', 1), ('Bo', 2), ('Ada', 3);
"""
WHOLE_MODELS = Models(
    (orders(column("customer"), column("quantity", "INTEGER"), column("placed_at", "TIMESTAMPTZ", fills=True)),)
)
SPLIT_WRITES = """
INSERT INTO orders (customer, quantity) VALUES ('Ada', 4) RETURNING orders.id, orders.customer, orders.quantity;
INSERT INTO orders (customer, quantity) SELECT p0::text, p1::integer FROM (VALUES ('Cy', 5, 0), ('Cy', 6, 1))
    AS imp_sen (p0, p1, sen_counter) ORDER BY sen_counter RETURNING orders.id, orders.placed_at IS NOT NULL, orders.id;
UPDATE orders SET customer = 'Di', quantity = 7 WHERE orders.id = 2 RETURNING orders.customer, orders.quantity;
UPDATE orders SET quantity = 8 WHERE orders.customer = 'Di';
DELETE FROM orders WHERE orders.id = 3 RETURNING orders.id;
SELECT id, customer, quantity FROM orders ORDER BY id FOR UPDATE OF orders;
"""


@pytest.fixture(scope="module")
def then_whole(server: Cluster) -> TrialResult:
    """The same for the schema before the column was moved."""
    with database(server, WHOLE) as old:
        return known(old, WHOLE_MODELS)


def test_column_moved_to_a_table_of_its_own(server: Cluster, then_whole: TrialResult) -> None:
    """The column is read and written by its old name, new rows find their place, and afterwards all is as before."""
    with database(server, WHOLE, SPLIT) as copy:
        before, content = copy.dump(), copy.content()
        bridge = built(copy, SPLIT, then_whole, WHOLE_MODELS)
        assert [each.what for each in bridge.relaxed] == [
            "quantity, customer can be read and written again, through a view of orders"
        ]
        assert copy.content() == content
        assert server.must(copy.name, "SELECT customer, quantity, pieces FROM orders ORDER BY id").splitlines() == [
            "Ada|1|1", "Bo|2|2", "Ada|3|3",
        ]  # fmt: skip
        server.must(copy.name, NEXT.format(3))
        assert server.must(copy.name, SPLIT_WRITES).splitlines() == [
            "4|Ada|4", "5|t|5", "6|t|6", "Di|7", "3", "1|Ada|1", "2|Di|8", "4|Ada|4", "5|Cy|5", "6|Cy|6",
        ]  # fmt: skip
        assert server.psql(copy.name, "INSERT INTO orders (customer, quantity) VALUES (NULL, 1)").returncode
        assert server.must(copy.name, "SELECT name FROM customers ORDER BY 1").split() == ["Ada", "Bo", "Cy", "Di"]
        copy.carry_out(bridge.down)
        assert copy.dump() == before
        kept = "SELECT o.id, c.name, o.pieces FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY 1"
        assert server.must(copy.name, kept).splitlines() == ["1|Ada|1", "2|Di|8", "4|Ada|4", "5|Cy|5", "6|Cy|6"]


@pytest.mark.parametrize(
    ("instead", "of"),
    [
        ("", "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;"),
        ("", "ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id);"),
        ("", ", CONSTRAINT customers_name UNIQUE (name)"),
        ("name varchar(99) NOT NULL", "name text NOT NULL"),
        ("lower(customers.name) = orders.customer", "customers.name = orders.customer"),
        ("SET NOT NULL; UPDATE customers SET name = 'x' || name;", "SET NOT NULL;"),
        ("SET NOT NULL; DELETE FROM orders WHERE id = 1;", "SET NOT NULL;"),
        ("name text NOT NULL, town text NOT NULL DEFAULT '', code integer NOT NULL", "name text NOT NULL"),
    ],
)
def test_column_moved_where_a_row_may_be_missing(
    server: Cluster, then_whole: TrialResult, instead: str, of: str
) -> None:
    """No bridge for a missing value, a value twice, of another type or changed, or a row without a place."""
    up = SPLIT.replace(of, instead)
    assert up != SPLIT
    if "code" in up:
        up = up.replace("(name) SELECT DISTINCT customer", "(name, code) SELECT DISTINCT customer, 1")
    up = up.replace("lower(customers.name) = orders.customer", "lower(customers.name) = lower(orders.customer)")
    with database(server, WHOLE, up) as copy:
        before = copy.dump()
        with pytest.raises(Inconclusive):
            built(copy, up, then_whole, WHOLE_MODELS)
        assert copy.dump() == before
