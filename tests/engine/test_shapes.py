"""A Compose project with many unusual features is rolled back. tests.engine.shapes_campaign tries each one alone."""

from collections.abc import Iterator

import pytest

from tests.engine.conftest import Rehearsed
from tests.engine.shapes import Shaped, shapes
from tests.support.campaigns import campaign


@pytest.fixture(scope="module")
def shaped(broken: Rehearsed) -> Iterator[Shaped]:
    """The production with the failed release, which takes on the shapes. Afterwards its last good release runs."""
    yield Shaped(broken)
    broken.practice.deploy("2025-12-15-rc1")
    broken.practice.wait_ready("2025-12-15-rc1")


@campaign
@pytest.mark.parametrize("name", ["many at once", "a network edited since it was made"])
def test_plan_and_execution_agree(shaped: Shaped, name: str) -> None:
    """Nothing that was wrong before stops the run behind the closed gate: the plan reports it."""
    (shape,) = [each for each in shapes() if each.name == name]
    try:
        tried = shaped.tries(shape)
    finally:
        shaped.restore(shape)
    assert tried.problems == []
