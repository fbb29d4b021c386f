"""How long a plan takes to its first step, and where that time goes.

    .venv/bin/python bench/start_up.py --settings .rehearsals/shop-3f2a/runbook.toml

Runs `pytest features` five times on the production of these settings, and once more to see which imports it waits
for. Each run is stopped at its first step; its record goes to a folder that is thrown away.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = " Given "
RUNS = 5
SHOWN = 12
_IMPORT = re.compile(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)")


def first_step(arguments: list[str], *options: str) -> tuple[float, float, str]:
    """Seconds until the first step, as the clock and as the processor counts them, and what was said by then."""
    with tempfile.TemporaryDirectory() as reports:
        command = [sys.executable, *options, "-m", "pytest", "features", "--reports", reports, *arguments]
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        for line in process.stdout or ():
            said.append(line)
            if FIRST in line:
                break
        else:
            sys.exit(f"there was no step:\n{''.join(said)}")
        clock, processor = time.monotonic() - began, _processor(process.pid)
        process.terminate()
        process.communicate(timeout=60)
    return clock, processor, "".join(said)


def imports(arguments: list[str]) -> list[tuple[float, str]]:
    """The packages whose loading was waited for, slowest first, in seconds; each with all that it loads itself."""
    _, _, said = first_step([*arguments, "-s"], "-X", "importtime")
    seconds: dict[str, float] = {}
    for _, cumulative, _, name in _IMPORT.findall(said):
        package = ".".join(name.split(".")[: 2 if name.startswith(("runbook.", "rehearsal.", "harness.")) else 1])
        seconds[package] = max(seconds.get(package, 0.0), int(cumulative) / 1e6)
    return sorted(((took, name) for name, took in seconds.items()), reverse=True)


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--settings", required=True, help="the settings of a production that is up")
    parser.add_argument("arguments", nargs="*", help="what pytest is given besides; after --")
    given = parser.parse_args()
    settings = ["--settings", str(Path(given.settings).resolve()), *given.arguments]
    runs = [first_step(settings)[:2] for _ in range(RUNS)]
    clock, processor = zip(*runs, strict=True)
    print("| first step after | fastest | median | slowest |\n|---|---|---|---|")  # noqa: T201
    for name, values in (("seconds", clock), ("of these, pytest's own processor time", processor)):
        print(f"| {name} | {min(values):.2f} | {statistics.median(values):.2f} | {max(values):.2f} |")  # noqa: T201
    print("\n| import | seconds, with what it loads |\n|---|---|")  # noqa: T201
    for took, name in imports(settings)[:SHOWN]:
        print(f"| `{name}` | {took:.3f} |")  # noqa: T201


if __name__ == "__main__":
    main()
