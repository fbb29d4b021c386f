"""A program is started."""

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade():
    import subprocess

    subprocess.call(["true"])


def downgrade():
    pass
