"""What all the tests share: the order in which they run."""

from pathlib import Path

import pytest

_BROWSER = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests in a browser come last: they look at the records that the others made."""
    items.sort(key=lambda item: item.path.is_relative_to(_BROWSER))
