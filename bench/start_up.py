"""How long a plan takes to its first step.

    .venv/bin/python bench/start_up.py --settings .rehearsals/shop-3f2a/runbook.toml

Runs `pytest features` five times on the production of these settings. Each run is stopped at its first step; its record
goes to a folder that is thrown away.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = " Given "
RUNS = 5


def first_step(settings: Path) -> float:
    """Seconds until the first step."""
    with tempfile.TemporaryDirectory() as reports:
        command = [sys.executable, "-m", "pytest", "features", "--settings", settings, "--reports", reports]
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        for line in process.stdout or ():
            said.append(line)
            if FIRST in line:
                break
        else:
            sys.exit(f"there was no step:\n{''.join(said)}")
        seconds = time.monotonic() - began
        process.terminate()
        process.communicate(timeout=60)
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--settings", required=True, type=Path, help="the settings of a production that is up")
    chosen = parser.parse_args()
    runs = [first_step(chosen.settings.resolve()) for _ in range(RUNS)]
    print(f"fastest {min(runs):.2f} s, median {statistics.median(runs):.2f} s, slowest {max(runs):.2f} s")  # noqa: T201
