"""Measure how long a plan takes to its first line, and to its first step.

    .venv/bin/python bench/start_up.py --settings .rehearsals/shop-3f2a/runbook.toml

Runs `pytest features -v` five times on the production of these settings; without `-v` a plan prints nothing before its
end. Each run is stopped at its first step, and its record is deleted.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEP = " Given "
RUNS = 5


def started(settings: Path) -> tuple[float, float]:
    """Return the seconds until the first line and until the first step."""
    with tempfile.TemporaryDirectory() as reports:
        command = [sys.executable, "-m", "pytest", "features", "-v", "--settings", settings, "--reports", reports]
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said: list[tuple[float, str]] = []
        for line in process.stdout or ():
            said.append((time.monotonic() - began, line))
            if STEP in line:
                break
        else:
            sys.exit(f"no step was shown:\n{''.join(line for _, line in said)}")
        process.terminate()
        process.communicate(timeout=60)
    return said[0][0], said[-1][0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--settings", required=True, type=Path, help="the settings of a running production")
    chosen = parser.parse_args()
    runs = [started(chosen.settings.resolve()) for _ in range(RUNS)]
    for what, times in zip(("first line", "first step"), zip(*runs, strict=True), strict=True):
        print(  # noqa: T201
            f"{what}: fastest {min(times):.2f} s, median {statistics.median(times):.2f} s, slowest {max(times):.2f} s"
        )
