"""What takes many minutes by itself runs as a fixed sample, and whole with `script/test --campaigns`."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

WHOLE = bool(os.environ.get("CAMPAIGNS"))
FAST = bool(os.environ.get("FAST"))
Row = TypeVar("Row")
#: For a test that is left out of the sample.
campaign = pytest.mark.skipif(not WHOLE, reason="takes many minutes: script/test --campaigns")


def examples(sample: int, whole: int | None = None) -> int:
    """How many examples Hypothesis makes up: `sample`, unless `whole` is wanted; a tenth with `script/test --fast`."""
    if WHOLE:
        return whole or sample
    return max(10, sample // 10) if FAST else sample


def sampled(rows: Sequence[Row], every: int) -> Sequence[Row]:
    """Every so many-th of the rows, unless all are wanted."""
    return rows if WHOLE else rows[::every]
