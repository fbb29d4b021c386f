"""Tables are reflected."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade():
    try:
        things = sa.Table("things", sa.MetaData(), autoload_with=op.get_bind())
    except Exception:
        things = None
    if things is not None:
        op.drop_column("things", "n")


def downgrade():
    pass
