"""Totals of each day, which the jobs keep."""

import sqlalchemy as sa
from alembic import op

revision = "0002_daily_totals"
down_revision = "0001_orders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of totals, and the index that finds a day's orders."""
    op.create_table(
        "daily_totals",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("orders", sa.Integer, nullable=False),
        sa.Column("euro_cents", sa.BigInteger, nullable=False),
    )
    op.create_index("orders_placed_at", "orders", ["placed_at"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("orders_placed_at", table_name="orders")
    op.drop_table("daily_totals")
