"""An execute in a helper is swallowed."""

from helpers import helpers

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    helpers.safely("ALTER TABLE things ADD COLUMN b INTEGER")


def downgrade():
    pass
