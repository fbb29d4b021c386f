"""An image's libraries are loaded once for all questions; if that fails, the answers say why."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runbook.migrations.image.probe import probing
from runbook.settings.database import MigrationSettings

COUNTS = """
import os
with open(os.environ["COUNT"], "a") as found:
    found.write("x")
"""


def asked(folder: Path, alembic: str) -> dict[str, Any]:
    """Return the probe's report from a folder whose library `alembic` has this source."""
    place = folder / "site" / "alembic"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(alembic)
    for name, text in (("config", "CommandLine = Config = object"), ("script", "class ScriptDirectory: pass")):
        (place / f"{name}.py").write_text(text)
    environment = {"PYTHONPATH": str(place.parent), "COUNT": str(folder / "count")}
    command, marker = probing(
        "image", MigrationSettings(), environment=environment, span=("1", "2"), deadline=20, now=time.time()
    )
    assert command.stdin is not None
    done = subprocess.run(
        [sys.executable, "-"], input=command.stdin, capture_output=True, cwd=folder, timeout=60, check=False,
        env=os.environ,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.decode().splitlines() if line.startswith(marker)]
    found: dict[str, Any] = json.loads(line[len(marker) :])
    return found


def test_loaded_once(tmp_path: Path) -> None:
    """Alembic is imported once for all questions."""
    problems = asked(tmp_path, COUNTS)["problems"]
    assert "there is no file alembic.ini" in problems[0]["why"]
    assert (tmp_path / "count").read_text() == "x"


@pytest.mark.parametrize(
    ("alembic", "why"),
    [
        ("import os; os._exit(3)", "it exited with code 3 before it answered"),
        ("raise ImportError('no')", "cannot import Alembic: no"),
    ],
)
def test_that_cannot_be_loaded(tmp_path: Path, alembic: str, why: str) -> None:
    """If importing Alembic exits or fails, the report has the reason and no graph."""
    found = asked(tmp_path, alembic)
    assert why in found["problems"][0]["why"]
    assert found["graph"] is None
