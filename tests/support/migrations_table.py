"""The rows of `migrations_table.toml`, and the tables that the target's code maps in them.

`tests/unit/migrations/verdict/test_verdict_table.py` checks them with `judge`, and
`tests/engine/test_verdict_against_postgres.py` with a real PostgreSQL: it creates the target's tables, runs the SQL,
and then does what the target's code does.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.migrations.image.mapped_models import Models, models_from_json


def models(*tables: dict[str, Any]) -> Models:
    return models_from_json(json.dumps({"tables": tables}))


def column(name: str, kind: str, **flags: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": False} | flags


def orders_with(more: dict[str, Any]) -> Models:
    columns = [column("id", "INTEGER", primary_key=True, server_default=True), more]
    return models({"name": "orders", "columns": columns})


CUSTOMERS = [
    column("id", "INTEGER", primary_key=True, server_default=True),
    column("email", "VARCHAR(255)"),
    column("name", "TEXT", nullable=True),
]
# The tables that the target's code maps, in every row that names no other models.
SHOP = models(
    {
        "name": "orders",
        "foreign_keys": [],
        "columns": [
            column("id", "INTEGER", primary_key=True, server_default=True),
            column("number", "VARCHAR(20)"),
            column("status", "VARCHAR(20)", server_default=True),
            column("quantity", "INTEGER"),
            column("total", "NUMERIC(10, 2)", nullable=True),
            column("note", "TEXT", nullable=True),
            column("customer_id", "INTEGER", nullable=True),
            column("paid", "BOOLEAN", client_default=True),
            column("created_at", "TIMESTAMP WITHOUT TIME ZONE", client_default=True),
        ],
    },
    {
        "name": "customers",
        "foreign_keys": [],
        "columns": CUSTOMERS,
    },
    {
        "name": "Mixed Case",
        "columns": [
            column("Id", "INTEGER", primary_key=True, server_default=True),
            column("Some Name", "TEXT", nullable=True),
        ],
    },
)


def orders_that(**more: Any) -> Models:
    """Return the shop's models, with additional members of the table `orders`."""
    item = {"id": column("id", "INTEGER", primary_key=True, server_default=True)}
    columns = [*item.values(), column("customer_id", "INTEGER", nullable=True), column("number", "VARCHAR(20)")]
    return models({"name": "orders", "columns": columns, **more}, {"name": "customers", "columns": CUSTOMERS})


# An enum in the target's database. Only some rows' models map a column of this type.
MOOD = "CREATE TYPE mood AS ENUM ('glad', 'sad');"
# Other objects in the target's database, none of which is in the target's models.
BESIDE = """
CREATE TABLE legacy (id serial PRIMARY KEY, label text);
CREATE VIEW order_numbers AS SELECT 1 AS order_id;
ALTER TABLE orders ADD COLUMN old_code text, ADD COLUMN old_rank integer NOT NULL DEFAULT 0;
ALTER TABLE customers ADD CONSTRAINT customers_email_known CHECK (email <> 'nobody');
CREATE INDEX customers_name ON customers (name);
CREATE SEQUENCE ticket_numbers;
"""


# The models that rows can name.
MODELS: dict[str, Models | None] = {
    "shop": SHOP,
    "none": None,
    "acting key": orders_that(
        foreign_keys=[{"name": None, "columns": ["customer_id"], "on_delete": "CASCADE", "table": "customers"}]
    ),
    "named acting key": orders_that(
        foreign_keys=[{"name": "of_customer", "columns": ["customer_id"], "on_delete": "CASCADE", "table": "customers"}]
    ),
    "plain key": orders_that(foreign_keys=[{"name": None, "columns": ["customer_id"], "table": "customers"}]),
    "emptying key": orders_that(
        foreign_keys=[{"name": None, "columns": ["customer_id"], "on_delete": "SET NULL", "table": "customers"}]
    ),
    "unique number": orders_that(
        foreign_keys=[{"columns": ["customer_id"], "on_delete": "CASCADE", "table": "customers"}],
        uniques=[{"name": "numbers", "columns": ["number"]}],
    ),
    "feelings": orders_with(column("feeling", "mood", nullable=True, labels=["glad", "sad"])),
    "extra": orders_with(column("extra", "JSONB", nullable=True)),
    "unknown keys": orders_that(),
    "partitioned": orders_that(foreign_keys=[], partitioned=True),
    "client default": orders_with(column("region", "TEXT", nullable=True, client_default=True)),
    "server default": orders_with(column("region", "TEXT", nullable=True, server_default=True)),
    "coupons": models({"name": "coupons", "columns": [column("id", "INTEGER", primary_key=True)]}),
}


@dataclass(frozen=True)
class Row:
    """A migration, its right verdict, and the reason.

    `silent` says why a breaking migration breaks no single statement of the target's code. `unrunnable` says why it
    cannot be run on PostgreSQL. `then` is what the failed release writes before the rollback: after it, a migration
    under review does break the target's code, and an additive one still does not. `first` and `before` are SQL to run
    before and after the target's tables are created.
    """

    name: str
    verdict: str
    sql: str
    why: str
    models: str = "shop"
    silent: str = ""
    unrunnable: str = ""
    then: str = ""
    first: str = ""
    before: str = ""

    @property
    def there(self) -> Models:
        """The tables in the target's database: those that this row's models map, and the rest of the shop's."""
        mapped = self.mapped.tables if self.mapped is not None else ()
        names = {table.name for table in mapped}
        return Models((*mapped, *(table for table in SHOP.tables if table.name not in names)))

    @property
    def mapped(self) -> Models | None:
        return MODELS[self.models]


ROWS = [Row(**row) for row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["row"]]
