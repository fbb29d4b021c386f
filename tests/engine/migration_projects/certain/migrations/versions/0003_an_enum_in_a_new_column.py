"""An enum in a new column."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    kind = sa.Enum("x", "y", name="kind")
    kind.create(op.get_bind())
    op.add_column("things", sa.Column("kind", kind))


def downgrade():
    op.drop_column("things", "kind")
    sa.Enum(name="kind").drop(op.get_bind())
