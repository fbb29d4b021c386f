"""m1."""

import sqlalchemy as sa
from alembic import op

revision = "m1"
down_revision = "m"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("m", sa.Integer))


def downgrade():
    op.drop_column("things", "m")
