"""The dialect is asked."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    try:
        there = op.get_bind().dialect.has_table(op.get_bind(), "things")
    except Exception:
        there = False
    if there:
        op.drop_column("things", "n")


def downgrade():
    pass
