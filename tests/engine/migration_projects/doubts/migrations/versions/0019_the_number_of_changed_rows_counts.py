"""The number of changed rows counts."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade():
    changed = op.get_bind().execute(sa.text("UPDATE things SET n = 1"))
    try:
        many = changed.rowcount > 0
    except Exception:
        many = False
    if many:
        op.drop_column("things", "n")


def downgrade():
    pass
