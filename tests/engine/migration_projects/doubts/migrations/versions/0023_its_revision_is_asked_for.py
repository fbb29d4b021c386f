"""Its revision is asked for."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade():
    if op.get_context().get_current_revision() == "0001":
        op.drop_column("things", "n")


def downgrade():
    pass
