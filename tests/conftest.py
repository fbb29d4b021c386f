"""What all the tests share: the order in which they run, and which of them one process runs one after the other."""

import os
from pathlib import Path

import pytest

# The tests' own runs write nothing into the summary of a CI job.
os.environ.pop("GITHUB_STEP_SUMMARY", None)

_TESTS = Path(__file__).parent
#: What comes after all the rest, in this order. These files go on with one rollback, which the first one judges; those
#: behind them are sorted so that the longest begin first; the tests in a browser look at the records of all others.
_LAST = (
    *("engine/test_regression.py", "engine/test_bad_input.py", "engine/test_behind_the_gate.py"),
    *("engine/test_stopped_by_sigkill.py", "engine/test_incidents.py", "engine/test_stopped_downgrade.py"),
    *("engine/test_last_look.py", "engine/test_image_probe.py", "engine/test_stopped.py"),
    *("engine/test_incidents_held.py", "engine/test_export_leak.py", "engine/test_start_trial.py"),
    "engine",
    "browser",
)
_TOGETHER = _LAST[:3]


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker of pytest-xdist in its processes too, where the plugin itself is not loaded."""
    config.addinivalue_line("markers", "xdist_group(name): tests that one process runs in one go")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests; within a place of this order they stay as they are."""
    items.sort(key=_place)
    if hasattr(config, "workerinput"):  # where tests are spread over processes, in each of these
        for item in items:
            item.add_marker(pytest.mark.xdist_group(_group(item)))


def _place(item: pytest.Item) -> int:
    return next((n for n, name in enumerate(_LAST) if item.path.is_relative_to(_TESTS / name)), -1)


def _group(item: pytest.Item) -> str:
    """What one process runs in one go, where the tests are spread: what shares what takes long to make."""
    file = item.path.relative_to(_TESTS).as_posix()
    if file in _TOGETHER:
        return "regression"
    if isinstance(item, pytest.Function) and item.cls is not None:
        return f"{file}:{item.cls.__name__}"
    if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "name" in item.callspec.params:
        return f"{file}:{item.callspec.params['name']}"
    return file
