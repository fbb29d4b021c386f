"""0002."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("things", sa.Column("n", sa.Integer))
    if op.get_bind().execute(sa.text("SELECT count(*) FROM things")):
        op.execute("UPDATE things SET n = 1")


def downgrade():
    op.drop_column("things", "n")
