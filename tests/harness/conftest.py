"""What the tests of the harness share: the process that runs are forked from, and a runbook project of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.inner import Runbook, Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """The process from which runs are forked."""
    process = Zygote()
    yield process
    process.close()


@pytest.fixture
def runbook(tmp_path: Path, zygote: Zygote) -> Runbook:
    """A small runbook project, without features yet."""
    return Runbook(tmp_path, zygote)
