"""0002."""

import os
import sys

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    os.write(2, b"giving up\n")
    os._exit(0)


def downgrade():
    sys.exit(0)
