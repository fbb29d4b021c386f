"""b1."""

import sqlalchemy as sa
from alembic import op

revision = "b1"
down_revision = "a0"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("b", sa.Integer))


def downgrade():
    op.drop_column("things", "b")
