"""a1."""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = "a0"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("a", sa.Integer))


def downgrade():
    op.drop_column("things", "a")
