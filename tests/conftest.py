"""What all the tests share: the order in which they run."""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
#: What comes after all the rest, in this order. The rollback of the shared production is judged before other tests go
#: on with it, and the tests in a browser look at the records that the others made.
_LAST = ("engine/test_regression.py", "engine", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests; within a place of this order they stay as they are."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return next((n for n, name in enumerate(_LAST) if item.path.is_relative_to(_TESTS / name)), -1)
