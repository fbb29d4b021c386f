"""s07."""

import sqlalchemy as sa
from alembic import op

revision = "s07"
down_revision = "s06"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c7", sa.Integer))


def downgrade():
    op.drop_column("things", "c7")
    raise RuntimeError
