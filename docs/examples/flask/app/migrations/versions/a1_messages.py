"""Messages."""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "message", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text, nullable=False)
    )


def downgrade() -> None:
    op.drop_table("message")
