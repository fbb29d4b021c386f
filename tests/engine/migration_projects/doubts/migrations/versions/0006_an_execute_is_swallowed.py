"""An execute is swallowed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    try:
        op.execute("ALTER TABLE things ADD COLUMN a INTEGER")
    except sa.exc.ProgrammingError:
        pass


def downgrade():
    pass
