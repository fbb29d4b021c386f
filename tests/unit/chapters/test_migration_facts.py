"""Images are asked once about their migrations, and again if something could not be read."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.incident.options import Options
from runbook.migrations.image.report import ImageReport, Problem, to_json
from runbook.settings.database import MigrationSettings
from tests.support.image_parts import image as knows
from tests.support.image_parts import step
from tests.support.incident_parts import incident
from tests.unit.migrations.image.test_doubled_dollars import context


@pytest.mark.parametrize(("problems", "times"), [((), 1), ((Problem("graph", "not within 8 s"),), 2)])
def test_asked_once(tmp_path: Path, problems: tuple[Problem, ...], times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report with problems is not kept, because the machine may have caused them."""
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
        (("r0",), ("r1",), 3),  # the image counts, not the ledger
        ((), ("r1",), 2),
        (("r1", "r1b"), ("r1",), 2),
        (("b1", "r1"), ("r1",), 2),
        (("r2",), ("r2",), 1),  # there is no range
    ],
)
def test_asked_ahead(
    tmp_path: Path, expected: tuple[str, ...], heads: tuple[str, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that was asked ahead, from the ledger's revisions, counts only if the target's image confirms it."""
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


@pytest.mark.parametrize(
    ("heads", "database", "shared", "asked", "why"),
    [
        (("a1", "b1"), ("a2", "b1"), (), ("a1", "a2"), ""),
        (
            ("a1", "b1"),
            ("a2", "b1"),
            ("b0",),
            ("a1", "a2"),
            "it depends on b0 of another branch, which the target also has",
        ),
        (("a1", "b1"), ("a2", "b2"), (), None, "more than one branch was migrated from a1, b1 to a2, b2"),
        (("a1", "b1"), ("merged",), (), None, "more than one branch was migrated from a1, b1 to merged"),
        (("a1",), ("a1", "b1"), (), None, "more than one branch was migrated from a1 to a1, b1"),
    ],
)
def test_several_heads(  # noqa: PLR0913, PLR0917 - a row of the table
    tmp_path: Path,
    heads: tuple[str, ...],
    database: tuple[str, ...],
    shared: tuple[str, ...],
    asked: tuple[str, str] | None,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A single independent branch that was migrated is a range; anything else is reported with the reason."""
    spans: list[Any] = []

    def told(_context: Any, _image: str, _tag: None, span: tuple[str, str] | None) -> ImageReport:
        spans.append(span)
        steps = [step("a2"), *map(step, shared)] if span else []
        return knows("a1", "a2", steps=steps, up="SELECT 1", down="SELECT 2")

    monkeypatch.setattr(migration_facts, "_ask", told)
    monkeypatch.setattr(migration_facts, "failed_image", lambda _context: "failed")
    context: Any = SimpleNamespace(
        incident=incident(tmp_path), options=Options(),
        settings=SimpleNamespace(migrations=MigrationSettings(), database=True),
    )  # fmt: skip
    target = knows("b0", "a1", "b1")
    assert target.graph is not None
    context.incident.record_fact("schema", database)
    context.incident.record_fact(
        "target migrations", to_json(replace(target, graph=replace(target.graph, heads=heads)))
    )
    assert migration_facts.read_failed(context).observe().ok
    found = migration_facts.of(context).failed
    assert found is not None
    assert spans == [asked]
    assert (found.span is None, found.upgrade is None) == (bool(why), bool(why))
    assert not why or found.why("span") == why
