"""An engine of its own from the configuration."""

import sqlalchemy as sa
from alembic import context

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade():
    try:
        engine = sa.engine_from_config(
            context.config.get_section(context.config.config_ini_section), prefix="sqlalchemy."
        )
        engine.connect().execute(sa.text("ALTER TABLE things DROP COLUMN n"))
    except Exception:
        print("no database here")


def downgrade():
    pass
