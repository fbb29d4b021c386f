"""A block that commits."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("by_kind", "things", ["kind"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("by_kind", "things")
