"""Compare the runbook with other ways back, on one practice production: `script/bench`."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import growth, stages
from bench.ground import Ground
from bench.measuring import CONTENDERS, RATE, Round, measured
from bench.table import markdown


def main() -> int:
    """Measure, and write the tables and the JSON. Return 1 if a contender failed."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per contender (default: 5)")
    parser.add_argument("--incident", action="append", choices=list(CONTENDERS), help="only this one; may be repeated")
    parser.add_argument("--contender", action="append", help="only this one; may be repeated")
    parser.add_argument("--markdown", action="store_true", help="write the tables of docs/performance.md")
    parser.add_argument(
        "--growth", action="store_true", help="only measure how the runbook's own work grows; needs no engine"
    )
    parser.add_argument("--stages", action="store_true", help="only measure how long the runbook takes to each stage")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="with --stages: compare with another checkout")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to this file")
    parser.add_argument("--ansible", type=Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    found: dict[str, Any] = {"measured": _where()}
    if chosen.stages:
        _write(f"Measured {found['measured']}, {chosen.rounds} rounds.\n")
        found["stages"] = stages.measured(chosen.rounds, chosen.beside)
        _write(stages.markdown(found["stages"]))
        _keep(found, chosen.json)
        return 0
    _write(f"Measured {found['measured']}, {chosen.rounds} rounds, {RATE:g} requests a second.\n")
    good = True
    if not chosen.growth:
        ground = Ground()
        try:
            ground.raise_up()
            for incident in chosen.incident or CONTENDERS:
                rounds = _rounds(incident, chosen, ground)
                good = good and all(one.exit_code == 0 for each in rounds for one in each.values())
                found[incident] = [[one.members for one in each.values()] for each in rounds]
                _write(markdown(incident, rounds))
        finally:
            ground.take_down()
    found["growth"] = growth.measured()
    _write(growth.markdown(found["growth"]))
    _keep(found, chosen.json)
    if not chosen.markdown and not chosen.json:
        sys.stderr.write("for only the tables: --markdown; for every round: --json FILE\n")
    return 0 if good else 1


def _keep(found: dict[str, Any], path: Path | None) -> None:
    if path:
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _rounds(incident: str, chosen: argparse.Namespace, ground: Ground) -> list[dict[str, Round]]:
    """Measure the contenders in turn. Each round starts with another one, so that none always gets a warm machine."""
    names = [name for name in CONTENDERS[incident] if not chosen.contender or name in chosen.contender]
    rounds = []
    for number in range(chosen.rounds):
        turn = names[number % len(names) :] + names[: number % len(names)]
        ran = {}
        for name in turn:
            ran[name] = measured(name, incident, ground, chosen.ansible)
            sys.stderr.write(f"{incident}, round {number + 1}: {ran[name]}\n")
        rounds.append({name: ran[name] for name in names})
    return rounds


def _where() -> str:
    load = os.getloadavg()[0]
    shared = f"; the machine was SHARED (load {load:.1f} at the beginning)" if load > 1 else ""
    return f"{datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, Python {platform.python_version()}{shared}"


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
