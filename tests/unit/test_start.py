"""Modules that a run does not load before its first step, because loading them takes time."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("pglast", "sqlglot", "boto3", "hvac", "apprise", "docker", "testinfra"),
    # Modules of pytest plugins, and modules that only a rehearsal needs.
    *("anyio", "hypothesis", "rehearsal.incidents"),
)


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    """No heavy module is loaded while the features are collected, nor when pytest ends."""
    collect = "pytest.main(['features', '--collect-only', '-q'])"
    code = f"import sys, pytest; {collect}; print([n for n in {HEAVY} if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]", ran.stdout
