"""It is inspected in a helper."""

from alembic import op
from helpers import helpers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    if "n" in helpers.columns("things"):
        op.drop_column("things", "n")


def downgrade():
    pass
