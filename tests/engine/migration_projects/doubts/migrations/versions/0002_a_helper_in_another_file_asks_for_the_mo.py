"""A helper in another file asks for the mode."""

from helpers import helpers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    helpers.drop_if_there()


def downgrade():
    pass
