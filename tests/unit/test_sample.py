"""The sample of engine tests names existing tests."""

import re
from pathlib import Path

import pytest

from tests.engine.sample import LEFT_OUT, SAMPLE

ENGINE = Path(__file__).parents[1] / "engine"


@pytest.mark.parametrize("name", [*LEFT_OUT, *SAMPLE])
def test_it_is_there(name: str) -> None:
    """The test's file, class and function exist. Parameters are not checked."""
    file, *inside = name.partition("[")[0].split("::")
    text = (ENGINE / file).read_text(encoding="utf-8")
    assert all(re.search(rf"^ *(class|def) {each}\b", text, re.MULTILINE) for each in inside)


@pytest.mark.parametrize("name", SAMPLE)
def test_it_would_be_left_out(name: str) -> None:
    """Only tests that are otherwise left out are in the sample."""
    assert name.startswith(LEFT_OUT)
