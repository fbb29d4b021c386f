"""0003."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    for row in op.get_bind().execute(sa.text("SELECT id FROM things")).fetchall():
        op.execute("UPDATE things SET n = 2 WHERE id = %d" % row.id)


def downgrade():
    pass
