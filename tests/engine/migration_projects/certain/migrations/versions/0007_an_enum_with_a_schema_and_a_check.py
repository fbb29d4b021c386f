"""An enum with a schema and a check."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "shown",
        sa.Column("a", sa.Enum("1", "2", name="one_two", schema="public")),
        sa.Column("b", sa.Enum("3", name="three", native_enum=False)),
    )


def downgrade():
    op.drop_table("shown")
    op.execute("DROP TYPE public.one_two")
