"""A savepoint."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade():
    try:
        with op.get_bind().begin_nested():
            op.execute("ALTER TABLE things ADD COLUMN c INTEGER")
    except Exception:
        print("there already")


def downgrade():
    pass
