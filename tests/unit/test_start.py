"""What a run does not load before its first step, since that is waited for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("pglast", "sqlglot", "boto3", "hvac", "apprise", "docker", "testinfra"),
    # What plugins of pytest bring, and what only a rehearsal needs.
    *("anyio", "hypothesis", "rehearsal.incidents"),
)


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    """Neither to collect the runbook, with harness and steps as conftest.py loads them, nor when pytest ends."""
    collect = "pytest.main(['features', '--collect-only', '-q'])"
    code = f"import sys, pytest; {collect}; print([n for n in {HEAVY} if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]", ran.stdout
