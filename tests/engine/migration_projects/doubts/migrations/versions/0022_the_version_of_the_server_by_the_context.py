"""The version of the server by the context."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade():
    version = getattr(op.get_context().dialect, "server_version_info", None)
    if version and version >= (11,):
        op.drop_column("things", "n")


def downgrade():
    pass
