"""Discounts."""

import sqlalchemy as sa
from alembic import op

revision = "0004_discounts"
down_revision = "0003_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of discount codes, and the column that says which one an order was given."""
    op.create_table(
        "discounts",
        sa.Column("code", sa.String(20), primary_key=True),
        sa.Column("percent", sa.Integer, nullable=False),
    )
    op.add_column("orders", sa.Column("discount", sa.String(20), nullable=True))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("orders", "discount")
    op.drop_table("discounts")
