"""Only a step whose function is annotated with `-> Action` is a change."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from harness.collection.feature_model import makes_change
from runbook.actions import Action, Check


def action() -> Action: ...
def check() -> Check: ...
def neither() -> None: ...
def unknown() -> NoSuchName: ...  # type: ignore[name-defined]  # noqa: F821 - the unknown name is the case
def bare(): ...  # type: ignore[no-untyped-def]  # noqa: ANN201 - the missing annotation is the case


@functools.wraps(action)
def wrapped() -> None: ...


CHANGES = (action, wrapped)


@pytest.mark.parametrize(
    "function",
    [*CHANGES, check, neither, unknown, bare],
    ids=["action", "wrapped", "check", "neither", "unknown", "bare"],
)
def test_annotation_says_it(function: Callable[..., object]) -> None:
    """Annotations that are strings, as in this module, are resolved."""
    assert makes_change(function) is (function in CHANGES)
