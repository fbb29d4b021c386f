"""Rows."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    things = sa.table("things", sa.column("id", sa.Integer))
    op.bulk_insert(things, [{"id": 1}, {"id": 2}])
    op.execute(things.delete().where(things.c.id == 1))


def downgrade():
    pass
