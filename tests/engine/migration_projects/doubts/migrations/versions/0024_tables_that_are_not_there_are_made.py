"""Tables that are not there are made."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade():
    metadata = sa.MetaData()
    sa.Table("others", metadata, sa.Column("id", sa.Integer, primary_key=True))
    metadata.create_all(op.get_bind())


def downgrade():
    pass
