"""s05."""

import sqlalchemy as sa
from alembic import op

revision = "s05"
down_revision = "s04"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c5", sa.Integer))


def downgrade():
    """It cannot be undone."""
