"""A session is asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade():
    session = Session(bind=op.get_bind())
    try:
        count = session.execute(sa.text("SELECT count(*) FROM things")).scalar()
    except Exception:
        count = 0
    if count:
        op.drop_column("things", "n")


def downgrade():
    pass
