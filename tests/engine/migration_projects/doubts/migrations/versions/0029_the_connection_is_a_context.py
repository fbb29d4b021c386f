"""The connection is a context."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade():
    try:
        with op.get_bind() as connection:
            op.drop_column("things", "n")
    except Exception:
        print("not here")


def downgrade():
    pass
