"""An event asks."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade():
    table = sa.Table("more", sa.MetaData(), sa.Column("id", sa.Integer))

    @sa.event.listens_for(table, "before_create")
    def ask(_table, connection, **_):
        try:
            connection.scalar(sa.text("SELECT 1"))
        except Exception:
            pass

    op.get_bind().execute(sa.schema.CreateTable(table))
    table.dispatch.before_create(table, op.get_bind())


def downgrade():
    pass
