"""A batch."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("things") as batch:
        batch.add_column(sa.Column("batched", sa.Integer))
        batch.create_index("by_batch", ["batched"])


def downgrade():
    with op.batch_alter_table("things") as batch:
        batch.drop_column("batched")
