"""x0."""

import sqlalchemy as sa
from alembic import op

revision = "x0"
down_revision = None
branch_labels = ("side",)
depends_on = None


def upgrade():
    op.create_table("others", sa.Column("id", sa.Integer))


def downgrade():
    op.drop_table("others")
