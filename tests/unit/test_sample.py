"""The sample of the tests on the engine names tests that there are."""

import re
from pathlib import Path

import pytest

from tests.engine.sample import LEFT_OUT, SAMPLE

ENGINE = Path(__file__).parents[1] / "engine"


@pytest.mark.parametrize("name", [*LEFT_OUT, *SAMPLE])
def test_it_is_there(name: str) -> None:
    """Its file, and its class or function; a parameter is not looked for."""
    file, *inside = name.partition("[")[0].split("::")
    text = (ENGINE / file).read_text(encoding="utf-8")
    assert all(re.search(rf"^ *(class|def) {each}\b", text, re.MULTILINE) for each in inside)


@pytest.mark.parametrize("name", SAMPLE)
def test_it_would_be_left_out(name: str) -> None:
    """What is not left out needs no place in the sample."""
    assert name.startswith(LEFT_OUT)
