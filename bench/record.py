"""What a record costs: its size, how long its page takes to make and to be seen, and what one entry costs a run.

    .venv/bin/python bench/record.py

Journals of made-up incidents are written by the code that writes real ones, on a clock of their own; each page is
made by a process of its own, and opened in a Chromium of its own (Debian's package). Prints Markdown. Takes minutes.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs.picture import ARGUMENTS, CHROMIUM  # noqa: E402 - found only from the project's folder
from runbook.actions import Check, Observation  # noqa: E402 - the same
from runbook.hosts.command import Command, Completed  # noqa: E402 - the same
from runbook.hosts.http import HttpResponse  # noqa: E402 - the same
from runbook.incident.executor import Executor, Mode  # noqa: E402 - the same
from runbook.journal.journal import FORMAT, Journal  # noqa: E402 - the same
from runbook.secrets.redactor import Redactor  # noqa: E402 - the same
from runbook.secrets.selftest import refuse_leaks  # noqa: E402 - the same

STEPS = (100, 1_000, 10_000)
SECONDS = 2.0  # that each step takes, by the clock of the incident
OUTPUT = 50_000_000  # bytes, of one command
RUNS = 3
PROBE_EVERY_MS, WRITE_EVERY_S = 250, 5
URL = "http://127.0.0.1:8080/orders"
LOG = """api-1  | <b class="x" data-y='z'>&amp;&lt;</b> "it's" <script>alert("&")</script> '<&>"' \N{SNOWMAN} %d\n"""
_RENDER = """
import json, sys, time
from pathlib import Path
from runbook.report.page.render import render
began = time.perf_counter()
page = render(Path(sys.argv[1]))
seconds = time.perf_counter() - began
# Not ru_maxrss, which begins with what the process had that this one was forked from.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0]) * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "size": page.stat().st_size}))
"""


class Clock:
    """The clock of a made-up incident, which goes only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2025, 12, 18, 3, tzinfo=UTC)

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def __str__(self) -> str:
        return self.now.isoformat(timespec="microseconds").replace("+00:00", "Z")


@contextmanager
def incident(folder: Path, clock: Clock) -> Iterator[Executor]:
    """An incident of that clock, with as many secrets as a shell in CI has; it does not wait for the disk."""
    redactor = Redactor()
    redactor.learn_all((f"TOKEN_{number}", f"s3cr3t/{number}+with&signs") for number in range(20))
    with patch("runbook.journal.journal.utc_now", lambda: str(clock)), patch("os.fsync"):
        journal = Journal(folder / "journal.jsonl", redactor)
        found = Executor(folder.name, Mode.EXECUTE, journal)
        about = {"project": "shop", "directory": "/srv/shop", "type": "rollback", "mode": "execute", "asked_for": {}}
        who = {
            "operator": "deploy",
            "operator_host": "host",
            "process": 1,
            "lock": None,
            "scenarios": [],
            "versions": {},
        }
        journal.write("opened", format=FORMAT, incident=folder.name, **about, **who)
        yield found
        journal.write("closed", outcome="passed", changes_made=[], remaining=[], reached=["rolled-back"])
        journal.close()


def steps(found: Executor, clock: Clock, count: int) -> None:
    """So many steps in scenarios of five, each with a command, an exchange and a look; the address is probed."""
    journal, probed = found.journal, clock.now
    for number in range(count):
        scenario = f"Scenario {number // 5}"
        if number % 5 == 0:
            chapter = f"{number // 500 + 1}. A chapter"
            journal.write("scenario began", scenario=scenario, feature=chapter, description="What it is about.")
        place = {"id": f"1.{number // 5}.{number % 5}", "keyword": "Then", "place": f"1_chapter.feature:{number}"}
        found.step_began({**place, "text": f"container {number} runs the pinned digest", "scenario": scenario})
        command = Command(("docker", "inspect", "--type", "container", f"{number:012x}"), 60, "/srv/shop")
        found.command_ended(
            Completed(command, 0, json.dumps({"Id": f"{number:064x}", "State": "up"}).encode(), b"", 0.1)
        )
        found.exchanged("GET", URL, None, HttpResponse(URL, 200, {}, '{"ready": true, "database": true}', 0.01))
        found.verify(Check("the pinned digest", lambda: Observation(ok=True, seen="it runs the pinned digest"), "look"))
        clock.go_on(SECONDS)
        found.step_ended()
        if number % 5 == 4:
            journal.write("scenario ended", scenario=scenario, outcome="passed", provides=[])
        while (clock.now - probed).total_seconds() >= WRITE_EVERY_S:
            probes = WRITE_EVERY_S * 1000 // PROBE_EVERY_MS
            journal.write(
                "availability",
                url=URL,
                interval_ms=PROBE_EVERY_MS,
                deadline_ms=5000,
                began=probed.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                offsets_ms=[PROBE_EVERY_MS * probe for probe in range(probes)],
                statuses=[503 if number % 50 == 7 else 200] * probes,
                latencies_ms=[12 + (number + probe) % 9 for probe in range(probes)],
            )
            probed += timedelta(seconds=WRITE_EVERY_S)


def much_output(found: Executor, clock: Clock) -> float:
    """One command that says 50 MB; returns the seconds that it takes to record it."""
    journal = found.journal
    journal.write("scenario began", scenario="Logs", feature="1. A chapter", description="")
    began = {"id": "1.1.1", "keyword": "Then", "text": "the logs are read", "scenario": "Logs", "place": "1.feature:1"}
    found.step_began(began)
    line = LOG.encode()
    said = b"".join(line.replace(b"%d", b"%d" % number) for number in range(OUTPUT // len(line)))
    before = time.perf_counter()
    found.command_ended(Completed(Command(("docker", "compose", "logs"), 60, "/srv/shop"), 0, said, b"", 1.0))
    took = time.perf_counter() - before
    clock.go_on(SECONDS)
    found.step_ended()
    journal.write("scenario ended", scenario="Logs", outcome="passed", provides=[])
    return took


def rendered(journal: Path) -> dict[str, float]:
    """Make the page in fresh processes: the median of their seconds, the most memory, the size; both in bytes."""
    runs = []
    for _ in range(RUNS):
        ran = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", _RENDER, str(journal)], cwd=ROOT, check=True, capture_output=True, text=True
        )
        runs.append(json.loads(ran.stdout))
    return {
        "seconds": statistics.median(run["seconds"] for run in runs),
        "peak": max(run["peak"] for run in runs),
        "size": runs[0]["size"],
    }


def painted(page: Path) -> tuple[float, float]:
    """Seconds from the navigation to Chromium's first paint of content, and to a whole document; medians."""
    first, whole = [], []
    for _ in range(RUNS):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            tab = browser.new_page(viewport={"width": 1100, "height": 900})
            tab.goto(page.resolve().as_uri(), timeout=120_000)
            while not tab.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
                time.sleep(0.05)
            first.append(tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            whole.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            browser.close()
    return statistics.median(first) / 1000, statistics.median(whole) / 1000


def entry_costs(folder: Path, *, sync: bool, count: int) -> tuple[float, float]:
    """Median and 95th percentile of the microseconds that one entry of a command costs a run."""
    redactor = Redactor()
    redactor.learn_all((f"TOKEN_{number}", f"s3cr3t/{number}+with&signs") for number in range(20))
    journal = Journal(folder / f"sync-{sync}.jsonl", redactor)
    said = {"bytes": 1200, "kept": "a line of output with words and numbers 12345\n" * 26}
    costs = []
    for _ in range(count):
        began = time.perf_counter()
        journal.write("command", sync=sync, command="docker compose ps", directory="/srv", exit_code=0, stdout=said)
        costs.append((time.perf_counter() - began) * 1e6)
    journal.close()
    return statistics.median(costs), statistics.quantiles(costs, n=20)[-1]


def canary_cost() -> float:
    """Microseconds that a run waits for its canary."""
    costs = []
    for _ in range(20):
        redactor = Redactor()
        began = time.perf_counter()
        refuse_leaks(redactor, {"journal": redactor.value})
        costs.append((time.perf_counter() - began) * 1e6)
    return statistics.median(costs)


def row(name: str, folder: Path, entries: int) -> str:
    """The measurements of one record as a line of the table."""
    journal = folder / "journal.jsonl"
    made = rendered(journal)
    first, whole = painted(folder / "record.html")
    sizes = f"{journal.stat().st_size / 1e6:.1f} MB | {made['size'] / 1e6:.2f} MB"
    times = f"{made['seconds']:.2f} s | {made['peak'] / 1e6:.0f} MB | {first:.2f} s | {whole:.2f} s"
    return f"| {name} | {entries:,} | {sizes} | {times} |"


def main() -> None:
    """Measure, and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS)
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}\n")  # noqa: T201
    print(  # noqa: T201
        "| record of | entries | journal | page | page made in | peak memory | first paint | loaded |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as place:
        for count in chosen.steps:
            folder, clock = Path(place, f"20251218T030000Z-shop-{count}"), Clock()
            with incident(folder, clock) as found:
                steps(found, clock, count)
            print(row(f"{count:,} steps", folder, len(found.journal.entries)), flush=True)  # noqa: T201
        folder, clock = Path(place, "20251218T030000Z-shop-output"), Clock()
        with incident(folder, clock) as found:
            took = much_output(found, clock)
        print(row(f"{OUTPUT / 1e6:.0f} MB of output", folder, len(found.journal.entries)))  # noqa: T201
        plain, synced = (entry_costs(Path(place), sync=sync, count=1000 - 500 * sync) for sync in (False, True))
    print("\n| what | median | 95th percentile |\n|---|---|---|")  # noqa: T201
    print(f"| an entry, handed to the operating system | {plain[0]:.0f} µs | {plain[1]:.0f} µs |")  # noqa: T201
    print(f"| an entry, on the disk | {synced[0] / 1e3:.2f} ms | {synced[1] / 1e3:.2f} ms |")  # noqa: T201
    print(f"| {OUTPUT / 1e6:.0f} MB of output, redacted and kept | {took:.1f} s | |")  # noqa: T201
    print(f"| the canary | {canary_cost() / 1e3:.1f} ms | |")  # noqa: T201


if __name__ == "__main__":
    main()
