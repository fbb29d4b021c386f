"""0002."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.rename_table("things", "items")


def downgrade():
    op.rename_table("items", "things")
