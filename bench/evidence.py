"""Measure what the verdict's evidence costs a plan: the seconds of its steps, and the memory of the schema copy.

    .venv/bin/python -m bench.evidence .rehearsals/shop-3f2a/reports/*/journal.jsonl
    .venv/bin/python -m bench.evidence --watch 120

The first command reads records. The second watches this engine for containers of trials, for that many seconds,
while a plan runs in another terminal.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

from runbook.chapters.startup.scratch_project import LABEL

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SCENARIO = "The verdict on the migrations decides the strategy"


def steps(journal: Path) -> dict[str, float]:
    """Return the seconds of each step that led to the verdict."""
    found, name = {}, ""
    for line in journal.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "step began":
            name = entry["text"] if entry["scenario"] == _SCENARIO else ""
        elif entry["kind"] == "step ended" and name:
            found[name] = float(entry["seconds"])
    return found


def memory() -> float:
    """Return the bytes that the containers of trials use now."""
    listed = ("docker", "ps", "-q", "--filter", f"label={LABEL}")
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    if not names:
        return 0.0
    stats = ("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *names)
    told = subprocess.run(stats, capture_output=True, text=True, check=False).stdout
    return sum(_bytes(line.partition("/")[0].strip()) for line in told.splitlines())


def _bytes(text: str) -> float:
    unit = max((each for each in _UNITS if text.endswith(each)), key=len)
    return float(text.removesuffix(unit)) * _UNITS[unit]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("journals", nargs="*", type=Path, help="the journals of plans")
    parser.add_argument("--watch", type=float, default=0.0, help="seconds to watch for containers of trials")
    chosen = parser.parse_args()
    for each in chosen.journals:
        seconds = steps(each)
        print(f"{each.parent.name}: {sum(seconds.values()):.2f} s", *seconds.items(), sep="\n  ")  # noqa: T201
    until, peak = time.monotonic() + chosen.watch, 0.0
    while time.monotonic() < until:
        peak = max(peak, memory())
        time.sleep(0.1)
    if chosen.watch:
        print(f"peak memory of trials: {peak / (1 << 20):.0f} MiB")  # noqa: T201
