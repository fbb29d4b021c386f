"""0001."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade(name):
    op.execute("SELECT 1")


def downgrade(name):
    op.execute("SELECT 2")
