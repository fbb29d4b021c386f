"""The context only writes."""

from alembic import op
from helpers import helpers

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    if not helpers.only_writes(op.get_context()):
        op.drop_column("things", "n")


def downgrade():
    pass
