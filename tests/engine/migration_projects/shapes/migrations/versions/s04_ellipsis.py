"""s04."""

import sqlalchemy as sa
from alembic import op

revision = "s04"
down_revision = "s03"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c4", sa.Integer))


def downgrade(): ...
