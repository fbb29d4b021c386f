"""The order of all tests, their grouping into processes, and the process that runs are forked from."""

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

# Keep the tests' runs out of the job summary in CI.
os.environ.pop("GITHUB_STEP_SUMMARY", None)

_TESTS = Path(__file__).parent
#: The tests that run last, in this order. The first three files share one rollback, which the first one checks. The
#: files after them are sorted so that the longest start first. The browser tests open the records of all others.
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
#: The first one waits a minute without using a core.
_ORDER = ("unit/hosts/ssh/test_silence.py", "unit", "harness", *_LAST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests, keeping their order within one place. Mark tests that only campaigns run."""
    items.sort(key=lambda item: _place(item.path))
    for item in items:
        if left_out(item.nodeid):
            item.add_marker(campaign)


@cache
def _place(path: Path) -> int:
    return next((n for n, name in enumerate(_ORDER) if path.is_relative_to(_TESTS / name)), 1)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """The process that runs are forked from."""
    process = Zygote()
    yield process
    process.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadscope`, run tests that share an expensive fixture in one process."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only needed with pytest-xdist

    class Spread(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Spread(config, log)


def together(nodeid: str) -> str:
    """Return the group of a test: its class, its record in a browser, or the file whose production it shares.

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
