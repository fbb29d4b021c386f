"""Heartbeats, by which readiness sees that the jobs run."""

import sqlalchemy as sa
from alembic import op

revision = "0003_heartbeats"
down_revision = "0002_daily_totals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of heartbeats."""
    op.create_table(
        "heartbeats",
        sa.Column("worker", sa.String(50), primary_key=True),
        sa.Column("beaten_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("heartbeats")
