"""0002."""

import os
import subprocess

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    if os.fork() == 0:
        op.execute("SELECT 666")
    op.add_column("things", sa.Column("n", sa.Integer))


def downgrade():
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    op.drop_column("things", "n")
