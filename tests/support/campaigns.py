"""Tests that take many minutes run as a fixed sample, and completely with `script/test --campaigns`."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

WHOLE = bool(os.environ.get("CAMPAIGNS"))
FAST = bool(os.environ.get("FAST"))
Row = TypeVar("Row")
#: Marks a test that is not part of the sample.
campaign = pytest.mark.skipif(not WHOLE, reason="takes many minutes: script/test --campaigns")


def examples(sample: int, whole: int | None = None) -> int:
    """Return how many examples Hypothesis generates: `sample`, or `whole` in a campaign; a tenth with --fast."""
    if WHOLE:
        return whole or sample
    return max(10, sample // 10) if FAST else sample


def sampled(rows: Sequence[Row], every: int) -> Sequence[Row]:
    """Return every `every`-th row, or all rows in a campaign."""
    return rows if WHOLE else rows[::every]
