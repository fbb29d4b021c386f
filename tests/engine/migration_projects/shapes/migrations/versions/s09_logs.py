"""s09."""

import sqlalchemy as sa
from alembic import op

revision = "s09"
down_revision = "s08"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c9", sa.Integer))


def downgrade():
    print("nothing to do")
