"""What images tell of their migrations is asked once; what could not be read is asked again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.incident.options import Options
from runbook.migrations.image.report import ImageReport, Problem
from runbook.settings.database import MigrationSettings
from tests.support.image_parts import image as knows
from tests.support.incident_parts import incident
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


@pytest.mark.parametrize(
    ("expected", "heads", "times"),
    [
        (("r1",), ("r1",), 2),  # each image once
        (("r0",), ("r1",), 3),  # the ledger does not know better than the image
        ((), ("r1",), 2),
        (("r1", "r1b"), ("r1",), 2),
        (("r2",), ("r2",), 1),  # there is no range
    ],
)
def test_asked_ahead(
    tmp_path: Path, expected: tuple[str, ...], heads: tuple[str, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked ahead of the range that the ledger lets expect counts only if it is that of the target's image."""
    spans: list[Any] = []

    def told(_context: Any, image: str, _tag: str | None, span: tuple[str, str] | None) -> ImageReport:
        spans.append(span)
        return knows(*heads) if image == "target" else knows("r1", "r2")

    monkeypatch.setattr(migration_facts, "_ask", told)
    monkeypatch.setattr(migration_facts, "failed_image", lambda _context: "failed")
    shop: Any = SimpleNamespace(
        incident=incident(tmp_path), options=Options(), database=SimpleNamespace(revisions=lambda: ("r2",)),
        settings=SimpleNamespace(migrations=MigrationSettings(), database=True),
    )  # fmt: skip
    shop.incident.record_fact("schema", ("r2",))
    release: Any = SimpleNamespace(pinned=lambda _service: "target", tag="v1")
    shop.incident.ahead.begin(migration_facts.images_ahead(shop, release, expected))
    for check in (migration_facts.read_target(shop, release), migration_facts.read_failed(shop)):
        assert check.observe().ok
    assert len(spans) == times
    assert spans[-1] == ("r1", "r2") if heads == ("r1",) else spans == [None]
