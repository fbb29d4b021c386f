"""The surroundings that env.py expects, as far as they can be tested without Alembic and Flask."""

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
    """Only reading a missing secret file gives a placeholder. In a separate process, because it patches `open`."""
    done = subprocess.run([sys.executable, "-c", OFFERED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [PLACEHOLDER, PLACEHOLDER, "FileNotFoundError", "FileNotFoundError", "True"]


def test_env_py_that_asks_for_no_application(tmp_path: Path) -> None:
    """Flask is not loaded if env.py does not use it, or if there is no env.py."""
    with application_of(str(tmp_path)):
        (tmp_path / "env.py").write_text("from alembic import context\n")
    with application_of(str(tmp_path)):
        assert "flask" not in sys.modules
