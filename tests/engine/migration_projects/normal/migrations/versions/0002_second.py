"""The second, ümlaut and all."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("label", sa.String(20), nullable=False, server_default="none"))
    op.execute(sa.table("things", sa.column("label", sa.String)).update().values(label="it's"))


def downgrade():
    op.drop_column("things", "label")
