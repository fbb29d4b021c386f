"""The connection of the context and its class."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    if op.get_context().connection.__class__.__name__ != "MockConnection":
        op.drop_column("things", "n")


def downgrade():
    pass
