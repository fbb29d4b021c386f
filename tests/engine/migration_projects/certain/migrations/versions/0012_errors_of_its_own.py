"""Errors of its own."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade():
    try:
        number = int("x")
    except ValueError:
        number = 1
    try:
        op.execute("COMMENT ON TABLE things IS '%d'" % number)
    except Exception as error:
        print(error)
        raise
    try:
        op.execute("COMMENT ON TABLE things IS NULL")
    finally:
        number = 2


def downgrade():
    pass
