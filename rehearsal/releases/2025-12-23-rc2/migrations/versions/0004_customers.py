"""Customers in a table of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0004_customers"
down_revision = "0003_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move the customers' names out of the orders, call quantities pieces, and make room for a note."""
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.UniqueConstraint("name", name="customers_name"),
    )
    op.execute("INSERT INTO customers (name) SELECT DISTINCT customer FROM orders")
    op.add_column("orders", sa.Column("customer_id", sa.Integer, nullable=True))
    op.execute("UPDATE orders SET customer_id = customers.id FROM customers WHERE customers.name = orders.customer")
    op.alter_column("orders", "customer_id", nullable=False)
    op.create_foreign_key("orders_customer", "orders", "customers", ["customer_id"], ["id"])
    op.drop_column("orders", "customer")
    op.alter_column("orders", "quantity", new_column_name="pieces")
    op.add_column("orders", sa.Column("note", sa.String(500), nullable=True))


def downgrade() -> None:
    """Move the names back, of which the old labels print no umlauts. The notes are lost."""
    op.drop_column("orders", "note")
    op.create_check_constraint("customers_without_umlauts", "customers", "name !~ '[äöü]'")
    op.alter_column("orders", "pieces", new_column_name="quantity")
    op.add_column("orders", sa.Column("customer", sa.String(200), nullable=True))
    op.execute("UPDATE orders SET customer = customers.name FROM customers WHERE customers.id = orders.customer_id")
    op.alter_column("orders", "customer", nullable=False)
    op.drop_column("orders", "customer_id")
    op.drop_table("customers")
