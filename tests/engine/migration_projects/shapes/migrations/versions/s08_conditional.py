"""s08."""

import sqlalchemy as sa
from alembic import op

revision = "s08"
down_revision = "s07"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("c8", sa.Integer))


def downgrade():
    if op.get_context().dialect.name == "sqlite":
        return
    op.drop_column("things", "c8")
