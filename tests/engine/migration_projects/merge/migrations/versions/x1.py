"""x1."""

import sqlalchemy as sa
from alembic import op

revision = "x1"
down_revision = "x0"
branch_labels = None
depends_on = "a1"


def upgrade():
    op.add_column("others", sa.Column("x", sa.Integer))


def downgrade():
    op.drop_column("others", "x")
