"""An enum by events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("others", sa.Column("mood", postgresql.ENUM("p", "q", name="otherwise")))


def downgrade():
    op.drop_table("others")
    op.execute("DROP TYPE otherwise")
