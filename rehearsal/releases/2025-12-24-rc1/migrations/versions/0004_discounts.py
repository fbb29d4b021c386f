"""Discounts, also where the pilot has left some of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004_discounts"
down_revision = "0003_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is not there yet, and give a code to the large orders of a shop that has had some."""
    bind = op.get_bind()
    there = sa.inspect(bind)
    if not there.has_table("discounts"):
        op.create_table(
            "discounts",
            sa.Column("code", sa.String(20), primary_key=True),
            sa.Column("percent", sa.Integer, nullable=False),
        )
    if "discount" not in {column["name"] for column in there.get_columns("orders")}:
        op.add_column("orders", sa.Column("discount", sa.String(20), nullable=True))
    if bind.scalar(sa.text("SELECT count(*) FROM orders")) > 0:
        op.execute("INSERT INTO discounts (code, percent) VALUES ('THANKS', 5)")
        op.execute("UPDATE orders SET discount = 'THANKS' WHERE quantity > 1")


def downgrade() -> None:
    """Drop both."""
    op.drop_column("orders", "discount")
    op.drop_table("discounts")
