"""s02."""

import sqlalchemy as sa
from alembic import op

revision = "s02"
down_revision = "s01"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c2", sa.Integer))
