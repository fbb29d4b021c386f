"""The fixture of the harness tests: a small runbook project."""

from pathlib import Path

import pytest

from tests.harness.inner import Runbook, Zygote


@pytest.fixture
def runbook(tmp_path: Path, zygote: Zygote) -> Runbook:
    """A small runbook project, without features yet."""
    return Runbook(tmp_path, zygote)
