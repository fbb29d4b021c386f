"""The relaxations of a range, found from its SQL and the database's definitions, and the smallest set that suffices."""

from typing import Any

import pytest

from runbook.migrations.bridge.definitions import Definition, Definitions
from runbook.migrations.bridge.hopes import possible_relaxations
from runbook.migrations.bridge.names import views
from runbook.migrations.bridge.relaxation import Relaxation, bridge_of, candidates, in_order, smallest, without
from runbook.migrations.bridge.shapes import Shape
from runbook.migrations.verdict.ddl.dispatch import folded
from runbook.migrations.verdict.judge import judge
from runbook.migrations.verdict.statements import statements_of
from tests.support.migrations_table import SHOP

NOT_NULL = ("not null", "public", "orders", "note")
UNIQUE = ("constraint", "public", "orders", "once")
POINTS = ("constraint", "public", "lines", "lines_order_id_fkey")
KNOWN: Definitions = {
    NOT_NULL: Definition("", "SELECT 1"),
    UNIQUE: Definition("UNIQUE (number)", "SELECT 2"),
    POINTS: Definition("FOREIGN KEY (order_id) REFERENCES public.orders(id)", "SELECT 3"),
}
REQUIRED = "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;"
ONCE = "ALTER TABLE orders ADD CONSTRAINT once UNIQUE (number);"
LINES = "CREATE TABLE lines (order_id integer NOT NULL REFERENCES orders (id));"
ORDERS = Shape(plain=True, owner="shop", columns=("id", "number", "pieces"), grants=(("SELECT", '"Reader"'),))


def found(up: str, known: Definitions = KNOWN) -> list[Relaxation]:
    return in_order(candidates(folded(statements_of(up)), SHOP, known, {"public.orders.status": "'new'::text"}))


def named(up: str, shape: Shape = ORDERS, name: str = "orders", **more: Shape) -> list[Relaxation]:
    there = {("public", each): one for each, one in {name: shape, **more}.items()}
    statements = list(statements_of(up))
    return list(views(folded(statements), SHOP, there, {}, statements))


@pytest.mark.parametrize(
    ("up", "what", "rows"),
    [
        (REQUIRED, "NOT NULL note of orders is lifted", "SELECT 1"),
        (ONCE, "constraint once of orders is lifted", "SELECT 2"),
        (LINES, "foreign key lines_order_id_fkey of lines is lifted", "SELECT 3"),
        ("ALTER TABLE orders ALTER status DROP DEFAULT", "default status of orders is restored", ""),
    ],
)
def test_each_by_what_the_database_says(up: str, what: str, rows: str) -> None:
    """The query for rows that prevent restoring comes from the database; a rule without a definition is not relaxed."""
    assert [(each.what, each.rows) for each in found(up)] == [(what, rows)]
    assert [each.what for each in found(up, {})] == ([what] if "DEFAULT" in up else [])


@pytest.mark.parametrize("up", [ONCE.replace("orders", "audits"), "DROP TABLE orders", ONCE + "DROP TABLE orders"])
def test_what_the_code_does_not_use_or_is_gone(up: str) -> None:
    """A table that the target's code does not map, or that the range drops, has nothing to relax."""
    assert found(up) == []


def test_smallest_and_its_order() -> None:
    """Foreign keys come before keys, needless relaxations are left out, and None means that even all do not suffice."""
    every = found(ONCE + REQUIRED + LINES)
    assert [each.name for each in every] == ["lines_order_id_fkey", "note", "once"]
    assert [each.name for each in smallest(every, lambda some: len(some) >= 2) or ()] == ["note", "once"]
    assert smallest(every, lambda some: len(some) >= 4) is None
    assert smallest([], lambda _: True) is None


@pytest.mark.parametrize(
    ("up", "verdict"),
    [(ONCE + REQUIRED, "unchanged"), (ONCE + "ALTER TABLE orders DROP COLUMN total;", "breaking")],
)
def test_rest_of_the_range(up: str, verdict: str) -> None:
    """Relaxed rules no longer count for the verdict; everything else does."""
    assert judge(up, SHOP).verdict in ("breaking", "review")
    assert judge(up, SHOP, without=lambda delta: without(delta, found(up))).verdict == verdict


@pytest.mark.parametrize(
    ("up", "hope"),
    [
        (ONCE + REQUIRED, True),
        (LINES, True),
        ("ALTER TABLE orders RENAME TO sales;", True),
        ("DROP TABLE orders;", False),
    ],
)
def test_hope(up: str, hope: bool) -> None:  # noqa: FBT001
    """The best case has relaxations only for a range that would then be unchanged or additive."""
    statements = list(statements_of(up))
    relaxed = possible_relaxations(folded(statements), SHOP, statements, {})
    assert bool(relaxed) is hope
    assert judge(up, SHOP, without=lambda delta: without(delta, relaxed)).verdict in (
        ("unchanged", "additive") if hope else ("breaking",)
    )


def test_bridge_of_two_catalogs() -> None:
    """The bridge lists each changed catalog entry without and with it; `down` is in the reverse order of `up`."""
    same = ("table", "public.orders", "table")
    gone, text = ("constraint", "public.orders.once", "UNIQUE (number)"), ("column", "public.orders.note", "text")
    relaxed = found(ONCE + REQUIRED)
    bridge = bridge_of(relaxed, [same, gone, (*text[:2], "text not null")], [same, text])
    assert [(each.kind, each.name, each.without, each.built) for each in bridge.touched] == [
        (*gone, None),
        ("column", "public.orders.note", "text not null", "text"),
    ]
    assert [each.split()[-1] for each in bridge.down] == ["(number)", "NULL"]
    assert bridge.up == tuple(sql for each in relaxed for sql in each.up)


RENAMED = "ALTER TABLE orders RENAME COLUMN quantity TO pieces;"
CHANGED = f"{RENAMED} UPDATE orders SET pieces = pieces * 100;"  # noqa: S608 - a constant


def test_view_in_the_place_of_a_table() -> None:
    """The view has every column, renamed ones under both names, and the table's owner and grants."""
    (view,) = named(RENAMED)
    shown = 'SELECT "id", "number", "pieces", "pieces" AS "quantity"'
    assert view.up == (
        'ALTER TABLE "public"."orders" RENAME TO "orders__bridged"',
        f'CREATE VIEW "public"."orders" AS {shown} FROM "public"."orders__bridged"',
        'ALTER VIEW "public"."orders" OWNER TO shop',
        'GRANT SELECT ON "public"."orders" TO "Reader"',
    )
    assert judge(RENAMED, SHOP).verdict == "breaking"
    assert judge(RENAMED, SHOP, without=lambda delta: without(delta, [view])).verdict == "unchanged"


@pytest.mark.parametrize(
    ("up", "more"),
    [
        (RENAMED, {"orders__bridged": ORDERS}),
        (RENAMED, {"shape": Shape(plain=False, owner="shop", columns=ORDERS.columns)}),
        (RENAMED, {"shape": Shape(plain=True, owner="shop", columns=("id", "pieces", "quantity"))}),
        (CHANGED, {}),
        ("ALTER TABLE orders RENAME TO sales;", {"name": "sales", "orders": ORDERS}),
        ("ALTER TABLE audits RENAME TO audit;", {"name": "audit"}),
        ("ALTER TABLE orders ADD COLUMN more text;", {}),
    ],
)
def test_no_view(up: str, more: dict[str, Any]) -> None:
    """No view: a name is taken, the table is not plain, rows were changed, it is not mapped, or no name changed."""
    assert named(up, **more) == []
