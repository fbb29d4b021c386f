"""An engine of its own."""

import sqlalchemy as sa

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade():
    try:
        with sa.create_engine("postgresql://nobody@nowhere.invalid/shop").connect() as connection:
            connection.execute(sa.text("ALTER TABLE things DROP COLUMN n"))
    except Exception:
        print("no database here")


def downgrade():
    pass
