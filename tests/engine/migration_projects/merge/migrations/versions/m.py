"""m."""

revision = "m"
down_revision = ("a1", "b1")
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
