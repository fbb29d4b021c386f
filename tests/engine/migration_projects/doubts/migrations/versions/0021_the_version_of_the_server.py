"""The version of the server."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade():
    version = op.get_bind().dialect.server_version_info
    if version and version >= (11,):
        op.drop_column("things", "n")


def downgrade():
    pass
