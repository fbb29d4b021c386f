"""It is an instance of a connection."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade():
    if isinstance(op.get_bind(), sa.engine.Connection):
        op.drop_column("things", "n")


def downgrade():
    pass
