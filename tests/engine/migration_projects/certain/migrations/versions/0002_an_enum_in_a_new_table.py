"""An enum in a new table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "moods", sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", sa.Enum("a", "b", name="mood"))
    )


def downgrade():
    op.drop_table("moods")
    sa.Enum(name="mood").drop(op.get_bind(), checkfirst=False)
