"""One measurement of one contender: what users experienced, and what it cost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.ground import ROOT, Ground
from rehearsal.incidents.catalogue import INCIDENTS, LIVE

RATE = 50.0  # requests a second
_BEFORE, _AFTER = 2.0, 3.0  # seconds of load before the command and after its end
_LONGEST = 300.0  # seconds for one contender
_FAILS = 500

#: The contenders of each incident. `floor` and `rollout` only bring up a release.
CONTENDERS: dict[str, tuple[str, ...]] = {
    "regression": ("floor", "hand", "ansible", "rollout", "suite"),
    "breaking-migration": ("hand", "ansible", "suite"),
    "export-leak": ("hand", "ansible", "suite"),
    "post_deploy": ("hand", "ansible", "suite"),
}


@dataclass(frozen=True)
class Round:
    """The result of one contender in one round. Times are in seconds since its command started."""

    contender: str
    ended: float
    exit_code: int
    #: When the last request was sent that failed, was refused, or (export-leak) was answered with data.
    recovered: float
    failed: int
    refused: int
    #: The longest time until a good answer.
    slowest: float
    cpu: float
    #: The peak memory of the largest process, in MiB.
    memory: float
    #: Processes that this machine started meanwhile, including the containers' health checks.
    processes: int

    @property
    def members(self) -> dict[str, Any]:
        """The fields as a dict, for JSON."""
        return asdict(self)


def command_of(contender: str, incident: str, ground: Ground, ansible: Path) -> list[str]:
    """Return the command that a person would type."""
    here = ROOT / "bench/contenders"
    if contender in ("floor", "hand", "rollout"):
        return [str(here / f"{contender}.sh"), incident, LIVE]
    if contender == "ansible":
        told = {"incident": incident, "target": LIVE, "folder": str(ground.practice.server)}
        told["gateway"] = ground.practice.gateway_url
        return [str(ansible), str(here / "playbook.yml"), "--extra-vars", json.dumps(told)]
    execute = ["--execute", ground.practice.name]
    if incident == "post_deploy":
        return [*ground.runbook, "-m", "post_deploy"]
    if incident == "export-leak":
        return [*ground.runbook, "-m", "emergency", *execute]
    return [*ground.runbook, "--to", LIVE, *INCIDENTS[incident].arguments, *execute]


def measured(contender: str, incident: str, ground: Ground, ansible: Path) -> Round:
    """Plant the incident, start the user load, and let one contender recover."""
    ground.plant(incident)
    paths = ["/orders"]
    if incident == "export-leak":
        paths.append(str(INCIDENTS[incident].asked_for))
    urls = [ground.practice.gateway_url + path for path in paths]
    loading = [sys.executable, "-m", "bench.load", str(RATE), *urls]
    with subprocess.Popen(loading, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as users:
        time.sleep(_BEFORE)
        began, forks = time.monotonic(), _forks()
        code, cpu, memory = _carried_out(command_of(contender, incident, ground, ansible), ground)
        ended, forks = time.monotonic(), _forks() - forks
        time.sleep(_AFTER)
        answers, _ = users.communicate()
    asked = [each for each in json.loads(answers) if each[0] >= began]
    bad = [each for each in asked if each[3] == 0 and (each[2] == 0 or each[2] >= _FAILS)]
    refused = [each for each in bad if each[4]]
    leaked = [each for each in asked if each[3] == 1 and each[2] == 200]
    harm = leaked if incident == "export-leak" else bad
    good = [each[1] - each[0] for each in asked if each[3] == 0 and 0 < each[2] < _FAILS]
    return Round(
        contender,
        ended=round(ended - began, 2),
        exit_code=code,
        recovered=round(max((each[0] for each in harm), default=began) - began, 2),
        failed=len(bad) - len(refused),
        refused=len(refused),
        slowest=round(max(good, default=0.0), 2),
        cpu=round(cpu, 2),
        memory=round(memory, 1),
        processes=forks,
    )


def _carried_out(command: Sequence[str], ground: Ground) -> tuple[int, float, float]:
    """Return the exit code, the CPU seconds of all its processes, and the MiB of the largest one."""
    result = ground.folder / "contender.json"
    result.unlink(missing_ok=True)
    starting = [sys.executable, "-IS", str(ROOT / "bench/started.py"), str(result), *command]
    at = ground.practice.server if command[0].endswith(".sh") else ROOT
    with (ground.folder / "contender.log").open("ab") as out:
        started = subprocess.Popen(
            starting, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=at, env=ground.environment, process_group=0
        )
        try:
            started.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            sys.exit(f"{command[0]} took longer than {_LONGEST:.0f} s; see {out.name}")
    code, cpu, kib = json.loads(result.read_text(encoding="ascii"))
    return code, cpu, kib / 1024


def _forks() -> int:
    """Return how many processes this machine has started since boot."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("processes ")))
