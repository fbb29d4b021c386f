"""What takes many minutes by itself runs as a fixed sample, and whole with `script/test --campaigns`."""

import os

import pytest

WHOLE = bool(os.environ.get("CAMPAIGNS"))
#: For a test that is left out of the sample.
campaign = pytest.mark.skipif(not WHOLE, reason="takes many minutes: script/test --campaigns")


def examples(sample: int, whole: int) -> int:
    """How many examples Hypothesis makes up."""
    return whole if WHOLE else sample
