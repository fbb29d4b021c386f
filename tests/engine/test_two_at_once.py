"""Two people roll back one production at the same moment, each from their own working copy."""

import getpass
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.engine.conftest import ROOT, RUN_DEADLINE, Rehearsed, docker

TARGET, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
NOT_COPIED = shutil.ignore_patterns(".git", ".tools", ".venv", ".rehearsals", "reports", "__pycache__", ".*_cache")


def working_copy(folder: Path) -> Path:
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    return folder


def test_one_works_and_one_is_refused(broken: Rehearsed, tmp_path: Path) -> None:
    """One run rolls back. The other exits with 4, names owner, host and incident, and leaves no record."""
    copies = [working_copy(tmp_path / name) for name in ("one", "other")]
    argv = [sys.executable, "-m", "pytest", "features", "--settings", str(broken.practice.settings)]
    runs = []
    for copy in copies:
        with (copy / "terminal.txt").open("w") as terminal:
            runs.append(
                subprocess.Popen(
                    [*argv, "--execute", broken.practice.name], cwd=copy, stdout=terminal, stderr=subprocess.STDOUT
                )
            )
    codes = {run.wait(RUN_DEADLINE): copy for run, copy in zip(runs, copies, strict=True)}
    said = {code: (copy / "terminal.txt").read_text() for code, copy in codes.items()}
    assert codes.keys() == {0, 4}, said

    (record,) = (path.parent for path in (codes[0] / "reports").glob("*/journal.jsonl"))
    refusal = " ".join(said[4].split())
    assert "ERROR: another run is changing this production" in refusal or "ERROR: another run took the lock" in refusal
    assert f"incident {record.name} of {getpass.getuser()} on {socket.gethostname()}" in refusal
    reports = codes[4] / "reports"
    assert not reports.exists() or list(reports.iterdir()) == []
    assert broken.practice.ask("/orders").headers["X-Release"] == TARGET
    assert not (broken.practice.server / ".runbook/lock").exists()
    assert docker("exec", f"{broken.practice.name}-gateway-1", "gate", "state") == "open"
