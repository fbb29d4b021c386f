"""The traceback of an uncaught error: secrets are redacted."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
from runbook.secrets.redactor import Redactor
from runbook.secrets.redactor import redact_tracebacks
redactor = Redactor()
redactor.learn("TOKEN", "hunter" + "2-secret")
redact_tracebacks(redactor.text)
raise ValueError("cannot parse hunter" + "2-secret\\u202e")
"""


def test_traceback_is_redacted() -> None:
    """An uncaught error is shown with its place, and without the secret."""
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "ValueError: cannot parse [secret TOKEN]\\u202e" in ran.stderr
    assert "hunter2-secret" not in ran.stderr
    assert "line 7" in ran.stderr
