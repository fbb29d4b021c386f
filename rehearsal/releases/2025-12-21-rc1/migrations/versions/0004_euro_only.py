"""Euro only."""

from alembic import op

revision = "0004_euro_only"
down_revision = "0003_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the orders' currency."""
    op.drop_column("orders", "currency")


def downgrade() -> None:
    """Nobody knows the currencies any more."""
    pass  # noqa: PIE790 - as people write it who think of Alembic's template
