"""What a run does not load before its first step, since that is waited for."""

import subprocess
import sys

HEAVY = ("pglast", "sqlglot", "boto3", "hvac", "apprise", "docker")


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    """Harness and steps, as conftest.py loads them."""
    code = f"import sys, harness.options, steps.handle_migrations; print([n for n in {HEAVY} if n in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "[]\n"
