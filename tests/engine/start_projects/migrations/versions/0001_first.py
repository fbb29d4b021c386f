"""The first."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make a table."""
    op.execute("CREATE TABLE orders (id integer PRIMARY KEY)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE orders")
