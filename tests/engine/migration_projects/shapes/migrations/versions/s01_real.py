"""s01."""

import sqlalchemy as sa
from alembic import op

revision = "s01"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c1", sa.Integer))


def downgrade():
    op.drop_column("things", "c1")
