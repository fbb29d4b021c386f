"""Only the dialect is asked."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    if op.get_bind().dialect.name == "postgresql" and op.get_context().dialect.name == "postgresql":
        op.execute("COMMENT ON TABLE things IS 'things'")
    if op.get_bind().engine.name != "postgresql":
        op.drop_table("things")


def downgrade():
    pass
