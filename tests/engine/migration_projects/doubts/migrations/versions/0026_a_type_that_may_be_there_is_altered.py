"""A type that may be there is altered."""

from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade():
    postgresql.ENUM("a", "b", name="mood").create(op.get_bind(), checkfirst=True)
    op.execute("ALTER TYPE mood ADD VALUE 'c'")


def downgrade():
    pass
