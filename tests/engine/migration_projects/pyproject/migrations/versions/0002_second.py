"""The second."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("others", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("others")
