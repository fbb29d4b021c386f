"""The index that 0004_customers forgot."""

from alembic import op

revision = "0005_orders_by_customer"
down_revision = "0004_customers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index that finds a customer's orders."""
    op.create_index("orders_customer_id", "orders", ["customer_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("orders_customer_id", table_name="orders")
