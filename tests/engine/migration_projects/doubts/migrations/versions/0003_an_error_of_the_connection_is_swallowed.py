"""An error of the connection is swallowed."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    try:
        op.get_bind().exec_driver_sql("ALTER TABLE things DROP COLUMN n")
    except Exception as error:
        print("gone already", error)


def downgrade():
    pass
