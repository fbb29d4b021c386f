"""The implementation only writes."""

from alembic import op
from helpers import helpers

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade():
    if not helpers.only_writes(op.get_context().impl):
        op.drop_column("things", "n")


def downgrade():
    pass
