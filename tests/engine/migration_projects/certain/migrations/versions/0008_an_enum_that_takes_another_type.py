"""An enum that takes another type."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    sa.Enum("k", "l", name="letters").create(op.get_bind(), checkfirst=False)
    op.alter_column("things", "kind", type_=sa.Enum("k", "l", name="letters"), postgresql_using="kind::text::letters")


def downgrade():
    op.alter_column("things", "kind", type_=sa.Enum("x", "y", name="kind"), postgresql_using="kind::text::kind")
    sa.Enum(name="letters").drop(op.get_bind(), checkfirst=False)
