"""`script/rehearse --by-hand`: a broken production with a plan, rolled back with the command that the plan shows."""

import itertools
import shlex
import subprocess
import sys
from pathlib import Path

from rehearsal.practice_production import FOLDERS
from tests.engine.conftest import ROOT, RUN_DEADLINE, docker


def run(*command: str) -> str:
    """Return the output of a command that must succeed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_DEADLINE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def running(name: str) -> str:
    return docker("inspect", "--format", "{{.Config.Image}}", f"{name}-api-1").rpartition(":")[2]


def test_plan_is_carried_out_as_it_says(tmp_path: Path) -> None:
    """The failed release stays up and nothing changes. The command in the plan's last lines rolls it back."""
    pytest = (sys.executable, "-m", "pytest", "features", "--reports", str(tmp_path / "reports"))
    said = run(*pytest, "--rehearse", "regression", "--rehearse-by-hand").splitlines()
    (name,) = {line.split()[0] for line in said if line.endswith(" is still up:")}
    try:
        assert running(name) == "2025-12-18-rc1"
        assert any(line.endswith("nothing was changed") for line in said)
        assert any("gate hold" in line for line in said), "what is typed by hand is what the plan says"
        (typed,) = [line for before, line in itertools.pairwise(said) if before.endswith("To carry it out, type:")]
        assert "PASSED: " in run(*shlex.split(typed))
        assert running(name) == "2025-12-15-rc1"
    finally:
        removed = run(sys.executable, "-m", "rehearsal", "down", name)
    assert removed.rstrip().endswith(f"{name}: removed")
    assert not (ROOT / FOLDERS / name).exists()
