"""Batches that copy need a database."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade():
    try:
        with op.batch_alter_table("things", recreate="always") as batch:
            batch.drop_column("n")
    except Exception:
        print("not here")


def downgrade():
    pass
