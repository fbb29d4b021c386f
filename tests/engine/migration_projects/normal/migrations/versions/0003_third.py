"""The third."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("things_label", "things", ["label"])


def downgrade():
    op.drop_index("things_label", "things")
