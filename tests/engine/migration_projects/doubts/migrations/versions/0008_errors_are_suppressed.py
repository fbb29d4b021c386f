"""Errors are suppressed."""

import contextlib

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    with contextlib.suppress(sa.exc.DBAPIError):
        op.drop_column("things", "n")


def downgrade():
    pass
