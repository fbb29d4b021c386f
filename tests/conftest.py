"""What all the tests share: their order, which of them one process runs in one go, and what runs are forked from."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.engine.sample import left_out
from tests.harness.inner import Zygote
from tests.support.campaigns import campaign
from tests.support.keeping import HEADLINES

# The tests' own runs write nothing into the summary of a CI job.
os.environ.pop("GITHUB_STEP_SUMMARY", None)

_TESTS = Path(__file__).parent
#: What comes after all the rest, in this order. These files go on with one rollback, which the first one judges; those
#: behind them are sorted so that the longest begin first; the tests in a browser look at the records of all others.
_LAST = (
    *("engine/test_regression.py", "engine/test_bad_input.py", "engine/test_behind_the_gate.py"),
    *("engine/test_stopped_by_sigkill.py", "engine/test_incidents.py", "engine/test_stopped_downgrade.py"),
    *("engine/test_stopped.py", "engine/test_ssh_regression.py", "engine/test_beside.py", "engine/test_last_look.py"),
    *("engine/test_image_probe.py", "engine/test_incidents_held.py", "engine/test_export_leak.py"),
    *("engine/test_verdict_against_postgres.py", "engine/test_start_trial.py"),
    "engine",
    "browser",
)
_TOGETHER = _LAST[:3]
#: The first waits a minute and needs no core.
_ORDER = ("unit/hosts/ssh/test_silence.py", "unit", "harness", *_LAST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests; within a place of this order they stay as they are. Leave out what only campaigns run."""
    items.sort(key=lambda item: _place(item.path))
    for item in items:
        if left_out(item.nodeid):
            item.add_marker(campaign)


@cache
def _place(path: Path) -> int:
    return next((n for n, name in enumerate(_ORDER) if path.is_relative_to(_TESTS / name)), 1)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """The process from which runs are forked."""
    process = Zygote()
    yield process
    process.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadscope` one process runs in one go what shares what takes long to make."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where tests are spread

    class Spread(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Spread(config, log)


def together(nodeid: str) -> str:
    """What a test is run together with: its class, its record in a browser, or its file and those that go on with it.

    >>> together("tests/engine/test_incidents.py::TestForwardFix::test_went_forward")
    'tests/engine/test_incidents.py::TestForwardFix'
    >>> together("tests/engine/test_bad_input.py::test_no_settings_file")
    'engine/test_regression.py'
    >>> together("tests/browser/test_every_incident.py::test_prints_everything[A4-export-leak]")
    'tests/browser/test_every_incident.py[export-leak]'
    """
    path, *names = nodeid.partition("[")[0].split("::")
    if path.removeprefix("tests/") in _TOGETHER:
        return _TOGETHER[0]
    if len(names) > 1:
        return f"{path}::{names[0]}"
    record = next((name for name in HEADLINES if name in nodeid.partition("[")[2]), "")
    return f"{path}[{record}]" if record else path
