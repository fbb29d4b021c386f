"""What env.py takes for granted around it, as far as neither Alembic nor Flask is needed to show it."""

import subprocess
import sys
from pathlib import Path

from runbook.migrations.image.inside.surroundings import PLACEHOLDER, application_of

OFFERED = """
import os
from pathlib import Path
from runbook.migrations.image.inside.surroundings import offer_secrets
offer_secrets()
print(Path("/run/secrets/never_there").read_text(), open("/run/secrets/never_there", "rb").read().decode())
for path, mode in (("/run/never_there", "r"), ("/run/secrets/never_there", "r+"), (os.devnull, "r")):
    try:
        print(open(path, mode).read() == "")
    except OSError as error:
        print(type(error).__name__)
"""


def test_secrets_that_are_not_mounted_here() -> None:
    """They are read as a placeholder, and nothing else is; a process of its own, for it replaces `open`."""
    done = subprocess.run([sys.executable, "-c", OFFERED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [PLACEHOLDER, PLACEHOLDER, "FileNotFoundError", "FileNotFoundError", "True"]


def test_env_py_that_asks_for_no_application(tmp_path: Path) -> None:
    """Nothing is loaded for it, nor where there is no env.py."""
    with application_of(str(tmp_path)):
        (tmp_path / "env.py").write_text("from alembic import context\n")
    with application_of(str(tmp_path)):
        assert "flask" not in sys.modules
