"""s06."""

import sqlalchemy as sa
from alembic import op

revision = "s06"
down_revision = "s05"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c6", sa.Integer))


def downgrade():
    """No."""
    raise NotImplementedError("no strategy")
