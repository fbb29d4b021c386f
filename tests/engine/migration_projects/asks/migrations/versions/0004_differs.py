"""0004."""

import sqlalchemy as sa
from alembic import context, op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    if not context.is_offline_mode():
        op.drop_column("things", "n")


def downgrade():
    op.add_column("things", sa.Column("n", sa.Integer))
