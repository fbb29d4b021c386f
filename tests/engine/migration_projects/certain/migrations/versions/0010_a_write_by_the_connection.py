"""A write by the connection."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.get_bind().execute(sa.text("UPDATE things SET size = NULL"))
    connection = op.get_bind()
    connection.execute(sa.table("things", sa.column("kind")).update().values(kind=None))


def downgrade():
    pass
