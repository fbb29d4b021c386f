"""0001."""

import sys

import sqlalchemy as sa
from alembic import op

from models import FAKE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    print(FAKE)
    sys.stdout.flush()
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("things")
