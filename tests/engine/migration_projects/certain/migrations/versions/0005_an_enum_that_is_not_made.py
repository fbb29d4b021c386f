"""An enum that is not made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("moods", sa.Column("again", postgresql.ENUM("a", "b", name="mood", create_type=False)))


def downgrade():
    op.drop_column("moods", "again")
