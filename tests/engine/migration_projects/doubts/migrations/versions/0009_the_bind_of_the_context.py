"""The bind of the context."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    bind = op.get_context().bind
    if getattr(bind, "in_transaction", None):
        op.drop_column("things", "n")


def downgrade():
    pass
