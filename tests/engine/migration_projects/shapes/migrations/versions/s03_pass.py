"""s03."""

import sqlalchemy as sa
from alembic import op

revision = "s03"
down_revision = "s02"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c3", sa.Integer))


def downgrade():
    pass
