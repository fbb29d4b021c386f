"""How long the runbook takes to its first line, its first change and its end, optionally next to another checkout."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.ground import ROOT, Ground
from rehearsal.incidents.catalogue import LIVE
from runbook.journal.journal import Entry

HERE = "here"
#: The rows of the table: label, run, figure and format.
_SHOWN = (
    ("plan: the whole, s", "plan", "ended", ".2f"),
    ("plan: CPU, s", "plan", "cpu", ".2f"),
    ("plan: commands started", "plan", "commands", ".0f"),
    ("rollback: to the first line, s", "rollback", "first_line", ".2f"),
    ("rollback: to the first step, s", "rollback", "first_step", ".2f"),
    ("rollback: to the first change, s", "rollback", "first_change", ".2f"),
    ("rollback: the whole, s", "rollback", "ended", ".2f"),
    ("rollback: CPU, s", "rollback", "cpu", ".2f"),
    ("rollback: commands started", "rollback", "commands", ".0f"),
    ("post_deploy: beyond its stability window, s", "post_deploy", "beyond_stable", ".2f"),
    ("post_deploy: CPU, s", "post_deploy", "cpu", ".2f"),
)

#: The figures of one round, by run and name.
Figures = Mapping[str, Mapping[str, float]]


def measured(rounds: int, beside: Path | None) -> dict[str, list[Figures]]:
    """Plan, roll back and validate a `regression` in each checkout in turn. Raises RuntimeError if a run fails."""
    checkouts = {HERE: ROOT, **({str(beside): beside} if beside else {})}
    found: dict[str, list[Figures]] = {name: [] for name in checkouts}
    ground = Ground()
    try:
        ground.raise_up()
        for number in range(rounds):
            for name in sorted(checkouts, reverse=bool(number % 2)):
                ground.plant("regression")
                found[name].append(dict(_round(ground, checkouts[name])))
                sys.stderr.write(f"round {number + 1}, {name}: {json.dumps(found[name][-1])}\n")
    finally:
        ground.take_down()
    return found


def markdown(found: Mapping[str, Sequence[Figures]]) -> str:
    """Return the table of medians and ranges."""
    lines = [["what", *found], ["---"] * (len(found) + 1)]
    for words, run, figure, form in _SHOWN:
        values = {name: sorted(one[run][figure] for one in rounds) for name, rounds in found.items()}
        lines.append([words, *(_told(each, form) for each in values.values())])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _told(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({values[0]:{form}} to {values[-1]:{form}})"


def _round(ground: Ground, checkout: Path) -> Iterator[tuple[str, Mapping[str, float]]]:
    yield "plan", _run(ground, checkout, "--to", LIVE)
    yield "rollback", _run(ground, checkout, "--to", LIVE, "--execute", ground.practice.name)
    yield "post_deploy", _run(ground, checkout, "-m", "post_deploy")


def _run(ground: Ground, checkout: Path, *arguments: str) -> dict[str, float]:
    reports = ground.folder / "reports"
    known = set(os.listdir(reports))  # noqa: PTH208 - names are enough
    where = ("--settings", str(ground.practice.settings), "--reports", str(reports))
    command = [sys.executable, "-m", "pytest", "features", *where, *arguments]
    at = {"cwd": checkout, "env": ground.environment, "stderr": subprocess.STDOUT, "text": True}
    began, clock = time.time(), time.monotonic()
    first, said = 0.0, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, **at) as started:  # type: ignore[call-overload]  # of two kinds
        for line in started.stdout:
            first = first or (time.monotonic() - clock if line.strip() else 0.0)
            said.append(line)
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    ended = time.monotonic() - clock
    if started.returncode:
        raise RuntimeError("".join(said))
    (folder,) = (each for each in reports.iterdir() if each.is_dir() and each.name not in known)
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "first_line": first,
        "ended": ended,
        "cpu": usage.ru_utime + usage.ru_stime,
        **_of_record([json.loads(line) for line in lines], began, ended),
    }


def _of_record(entries: Sequence[Entry], began: float, ended: float) -> dict[str, float]:
    def first(**members: Any) -> float:
        times = (each["time"] for each in entries if all(each.get(name) == value for name, value in members.items()))
        at = next(times, None)
        return datetime.fromisoformat(at).timestamp() - began if at else 0.0

    looks = (each for each in entries if each["kind"] == "check" and "seconds" in each)
    steady = [each["seconds"] for each in looks if "without a restart" in each["expected"]]
    return {
        "first_step": first(kind="step began"),
        "first_change": first(kind="action", state="begun"),
        "beyond_stable": ended - sum(steady),
        "commands": sum(each["kind"] == "command" and not each.get("by_engine") for each in entries),
    }
