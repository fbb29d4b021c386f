"""Rows are fetched or not."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade():
    found = op.get_bind().execute(sa.text("UPDATE things SET n = 1 RETURNING id"))
    if found:
        op.drop_column("things", "n")


def downgrade():
    pass
