"""0002."""

import subprocess
import sys
import time

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    print("I wait for a lock", flush=True)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    time.sleep(1000)


def downgrade():
    while True:
        sys.stdout.write("again\n")
