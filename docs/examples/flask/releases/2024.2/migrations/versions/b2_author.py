"""Who wrote it."""

import sqlalchemy as sa
from alembic import op

revision = "b2"
down_revision = "a1"


def upgrade() -> None:
    op.add_column("message", sa.Column("author", sa.Text))


def downgrade() -> None:
    op.drop_column("message", "author")
