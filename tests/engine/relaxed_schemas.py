"""Constraints that a range tightens, each with the SQL that relaxes and restores it, and a write that it refuses."""

from typing import NamedTuple


class Relaxed(NamedTuple):
    """The range's SQL, the bridge's statement each way, the query for rows that violate it, and a refused write.

    `mended` undoes that write, so that the bridge can be removed.
    """

    up: str
    lifts: str
    makes: str
    rows: str
    write: str
    mended: str = "DELETE FROM orders WHERE id > 2"


_ORDERS = 'ALTER TABLE "public"."orders"'
RELAXED = {
    "NOT NULL on a new column": Relaxed(
        "ALTER TABLE orders ADD COLUMN owner text; UPDATE orders SET owner = 'us';"
        " ALTER TABLE orders ALTER COLUMN owner SET NOT NULL",
        f'{_ORDERS} ALTER COLUMN "owner" DROP NOT NULL',
        f'{_ORDERS} ALTER COLUMN "owner" SET NOT NULL',
        "SELECT * FROM public.orders WHERE owner IS NULL",
        "INSERT INTO orders (number) VALUES ('three')",
    ),
    "NOT NULL on an old column": Relaxed(
        "ALTER TABLE orders ALTER COLUMN amount SET NOT NULL",
        f'{_ORDERS} ALTER COLUMN "amount" DROP NOT NULL',
        f'{_ORDERS} ALTER COLUMN "amount" SET NOT NULL',
        "SELECT * FROM public.orders WHERE amount IS NULL",
        "INSERT INTO orders (number) VALUES ('three')",
    ),
    "CHECK": Relaxed(
        "ALTER TABLE orders ADD CONSTRAINT small CHECK (amount < 3)",
        f'{_ORDERS} DROP CONSTRAINT "small"',
        f'{_ORDERS} ADD CONSTRAINT "small" CHECK ((amount < 3))',
        "SELECT * FROM public.orders WHERE NOT ((amount < 3))",
        "INSERT INTO orders (number, amount) VALUES ('three', 3)",
    ),
    "UNIQUE": Relaxed(
        "ALTER TABLE orders ADD UNIQUE (number, room)",
        f'{_ORDERS} DROP CONSTRAINT "orders_number_room_key"',
        f'{_ORDERS} ADD CONSTRAINT "orders_number_room_key" UNIQUE (number, room)',
        "SELECT number, room, count(*) FROM public.orders WHERE (number) IS NOT NULL AND (room) IS NOT NULL"
        " GROUP BY number, room HAVING count(*) > 1",
        "INSERT INTO orders (number, room) VALUES ('one', 'a')",
    ),
    "UNIQUE INDEX": Relaxed(
        "CREATE UNIQUE INDEX orders_once ON orders (lower(number)) WHERE amount > 0",
        'DROP INDEX "public"."orders_once"',
        "CREATE UNIQUE INDEX orders_once ON public.orders USING btree (lower(number)) WHERE (amount > 0)",
        "SELECT lower(number), count(*) FROM public.orders WHERE (lower(number)) IS NOT NULL AND amount > 0"
        " GROUP BY lower(number) HAVING count(*) > 1",
        "INSERT INTO orders (number, amount) VALUES ('ONE', 1)",
    ),
    "EXCLUDE": Relaxed(
        "ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING btree (room WITH =)",
        f'{_ORDERS} DROP CONSTRAINT "apart"',
        f'{_ORDERS} ADD CONSTRAINT "apart" EXCLUDE USING btree (room WITH =)',
        "SELECT one.*, other.* FROM public.orders one JOIN public.orders other ON one.ctid < other.ctid"
        " AND one.room OPERATOR(pg_catalog.=) other.room",
        "INSERT INTO orders (number, room) VALUES ('three', 'a')",
    ),
    "FOREIGN KEY": Relaxed(
        "CREATE TABLE rooms (name text PRIMARY KEY); INSERT INTO rooms VALUES ('a'), ('b');"
        " ALTER TABLE orders ADD CONSTRAINT in_room FOREIGN KEY (room) REFERENCES rooms",
        f'{_ORDERS} DROP CONSTRAINT "in_room"',
        f'{_ORDERS} ADD CONSTRAINT "in_room" FOREIGN KEY (room) REFERENCES public.rooms(name)',
        "SELECT child.* FROM public.orders child WHERE child.room IS NOT NULL AND NOT EXISTS (SELECT FROM public.rooms"
        " parent WHERE parent.name = child.room)",
        "INSERT INTO orders (number, room) VALUES ('three', 'c')",
    ),
    "FOREIGN KEY that keeps rows from being deleted": Relaxed(
        "CREATE TABLE lines (id serial PRIMARY KEY, of integer NOT NULL, CONSTRAINT of_order FOREIGN KEY (of)"
        " REFERENCES orders); INSERT INTO lines (of) SELECT id FROM orders",
        'ALTER TABLE "public"."lines" DROP CONSTRAINT "of_order"',
        'ALTER TABLE "public"."lines" ADD CONSTRAINT "of_order" FOREIGN KEY (of) REFERENCES public.orders(id)',
        "SELECT child.* FROM public.lines child WHERE child.of IS NOT NULL AND NOT EXISTS (SELECT FROM public.orders"
        " parent WHERE parent.id = child.of)",
        "DELETE FROM orders WHERE number = 'one'",
        "DELETE FROM lines WHERE of = 1",
    ),
    "DEFAULT removed": Relaxed(
        "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT",
        f"{_ORDERS} ALTER COLUMN \"state\" SET DEFAULT 'new'::text",
        f'{_ORDERS} ALTER COLUMN "state" DROP DEFAULT',
        "",
        "INSERT INTO orders (number) VALUES ('three')",
    ),
}

#: Changes for which no bridge is possible without changing, losing or hiding rows, each next to one that is possible.
NEVER = {
    "NOT NULL, and rows changed": (
        "ALTER TABLE orders ALTER COLUMN amount SET NOT NULL; UPDATE orders SET amount = amount * 100"
    ),
    "CHECK, and a column dropped": "ALTER TABLE orders ADD CONSTRAINT small CHECK (amount < 3), DROP COLUMN room",
    "UNIQUE, and rows deleted": "DELETE FROM orders WHERE id > 1; ALTER TABLE orders ADD UNIQUE (number, room)",
    "UNIQUE INDEX, and another type": (
        "ALTER TABLE orders ALTER COLUMN room TYPE integer USING ascii(room);"
        " CREATE UNIQUE INDEX orders_once ON orders (room)"
    ),
    "EXCLUDE, and a table dropped": (
        "ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING btree (room WITH =); DROP TABLE customers"
    ),
    "FOREIGN KEY, and its rows emptied": (
        "CREATE TABLE rooms (name text PRIMARY KEY); UPDATE orders SET room = NULL;"
        " ALTER TABLE orders ADD CONSTRAINT in_room FOREIGN KEY (room) REFERENCES rooms"
    ),
    "DEFAULT removed, and what it said changed": (
        "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT; UPDATE orders SET state = 'old'"
    ),
    "column renamed, and another type": (
        "ALTER TABLE orders RENAME COLUMN amount TO pieces; ALTER TABLE orders ALTER COLUMN pieces TYPE text"
    ),
    "column renamed, and rows changed": (
        "ALTER TABLE orders RENAME COLUMN amount TO pieces; UPDATE orders SET pieces = pieces * 100"
    ),
    "column renamed, and another has its name": (
        "ALTER TABLE orders RENAME COLUMN amount TO pieces; ALTER TABLE orders ADD COLUMN amount integer"
    ),
    "column renamed, and rows hidden": (
        "ALTER TABLE orders RENAME COLUMN amount TO pieces; ALTER TABLE orders ENABLE ROW LEVEL SECURITY"
    ),
    "table renamed, and another has its name": (
        "ALTER TABLE orders RENAME TO purchases;"
        " CREATE TABLE orders (id serial PRIMARY KEY, number text, amount integer, room text, state text)"
    ),
    "table renamed, and rows deleted": "DELETE FROM orders WHERE id > 1; ALTER TABLE orders RENAME TO purchases",
    "table moved, and a column dropped": (
        "CREATE SCHEMA sales; ALTER TABLE orders DROP COLUMN room; ALTER TABLE orders SET SCHEMA sales"
    ),
    "table split, and rows missing": (
        "CREATE TABLE rooms (id serial PRIMARY KEY, name text UNIQUE); ALTER TABLE orders ADD COLUMN room_id integer"
        " REFERENCES rooms; INSERT INTO rooms (name) SELECT DISTINCT room FROM orders WHERE id > 1; UPDATE orders SET"
        " room_id = rooms.id FROM rooms WHERE rooms.name = orders.room; ALTER TABLE orders DROP COLUMN room"
    ),
    "a primary key": (
        "ALTER TABLE customers DROP CONSTRAINT customers_pkey; ALTER TABLE customers ADD PRIMARY KEY (name)"
    ),
    "a trigger": (
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER stopped BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stop()"
    ),
}

_VIEW = '"public"."orders"'
_COLUMNS = '"id", "number", "amount", "room", "state"'


def _shown(columns: str, table: str) -> str:
    return f"CREATE VIEW {_VIEW} AS SELECT {columns} FROM {table}"  # noqa: S608 - constants


def _grants(view: str) -> tuple[str, ...]:
    return f"ALTER VIEW {view} OWNER TO postgres", f"GRANT SELECT ON {view} TO PUBLIC"


#: Renames and moves of the range, the bridge that does and undoes them, and queries by the new names.
RENAMED = {
    "column": (
        "ALTER TABLE orders RENAME COLUMN amount TO pieces",
        (
            f'ALTER TABLE {_VIEW} RENAME TO "orders__bridged"',
            _shown('"id", "number", "pieces", "room", "state", "pieces" AS "amount"', '"public"."orders__bridged"'),
            *_grants(_VIEW),
        ),
        (f"DROP VIEW {_VIEW}", 'ALTER TABLE "public"."orders__bridged" RENAME TO "orders"'),
        "SELECT pieces FROM orders ORDER BY id",
    ),
    "table": (
        "ALTER TABLE orders RENAME TO purchases",
        (_shown(_COLUMNS, '"public"."purchases"'), *_grants(_VIEW)),
        (f"DROP VIEW {_VIEW}",),
        "SELECT amount FROM purchases ORDER BY id",
    ),
    "table and column": (
        "ALTER TABLE orders RENAME TO purchases; ALTER TABLE purchases RENAME COLUMN amount TO pieces",
        (
            _shown('"id", "number", "pieces" AS "amount", "room", "state"', '"public"."purchases"'),
            *_grants(_VIEW),
        ),
        (f"DROP VIEW {_VIEW}",),
        "SELECT pieces FROM purchases ORDER BY id",
    ),
    "schema": (
        "CREATE SCHEMA sales; ALTER TABLE orders SET SCHEMA sales",
        (_shown(_COLUMNS, '"sales"."orders"'), *_grants(_VIEW)),
        (f"DROP VIEW {_VIEW}",),
        "SELECT amount FROM sales.orders ORDER BY id",
    ),
}
