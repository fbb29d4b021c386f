"""What images tell of their migrations is asked once; what could not be read is asked again."""

from pathlib import Path
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.migrations.image.report import ImageReport, Problem
from tests.unit.migrations.image.test_doubled_dollars import context


@pytest.mark.parametrize(("problems", "times"), [((), 1), ((Problem("graph", "not within 8 s"),), 2)])
def test_asked_once(tmp_path: Path, problems: tuple[Problem, ...], times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that says what could not be read may be the machine's fault."""
    asked: list[Any] = []
    told = ImageReport(problems=problems)
    monkeypatch.setattr(migration_facts, "ask_image", lambda *_, **__: asked.append(1) or told)
    shop = context(tmp_path)
    for _ in range(2):
        assert migration_facts._ask(shop, "image", "v1", None) == told
    assert len(asked) == times
