"""An enum that may be there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    size = postgresql.ENUM("s", "l", name="size")
    size.create(op.get_bind(), checkfirst=True)
    op.add_column("things", sa.Column("size", size))


def downgrade():
    op.drop_column("things", "size")
    postgresql.ENUM(name="size").drop(op.get_bind(), checkfirst=True)
