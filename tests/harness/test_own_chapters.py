"""A team's own chapters beside its settings: the example of docs/own_steps.md, and the refusals."""

import re
from pathlib import Path

import pytest

from tests.harness.inner import Runbook, scenario

PAGE = (Path(__file__).parents[2] / "docs" / "own_steps.md").read_text(encoding="utf-8")
ROLLED_BACK = scenario("Rolled back", "Given something to begin with", tags="@provides:rolled-back")


def files() -> dict[str, str]:
    """Return the files of the page by the names in their first lines."""
    blocks = re.findall(r"^```\w+\n# (\S+)\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return dict(blocks)


@pytest.fixture
def runbook(runbook: Runbook) -> Runbook:
    """The small project, with the team's own files beside its settings."""
    for name, text in files().items():
        path = runbook.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.read_text() + text if path.exists() else text)
    (runbook.server / "cache").write_text("a\nb\n")
    return runbook.feature("1.feature", ROLLED_BACK)


def test_example_is_planned_and_carried_out(runbook: Runbook) -> None:
    """The team's chapter runs last; a plan only plans its change, and an execution carries it out."""
    plan = runbook.run("features")
    assert plan.exit_code == 0, plan.terminal
    assert list(plan.scenarios.values()) == ["passed", "planned"]
    assert (runbook.server / "cache").read_text() == "a\nb\n"
    done = runbook.run("features", "--execute", "shop")
    assert list(done.scenarios) == ["Rolled back", "The cache holds nothing of the failed release"]
    assert done.ending == "passed"
    assert (runbook.server / "cache").read_text() == ""
    assert "the cache is emptied" in done.page


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("our_steps.py", "def cache_answers", "def cache_answers("), "our_steps cannot be loaded from"),
        (("runbook.toml", '"our_features"', '"nowhere"'), "own.features_dirs: no feature files in"),
        (("runbook.toml", 'features_dirs = ["our_features"]', ""), "own: expected features_dirs as well"),
        (("our_steps.py", "-> Action", "-> Check"), "the cache is emptied"),
    ],
)
def test_what_cannot_be_used_is_refused(runbook: Runbook, change: tuple[str, str, str], told: str) -> None:
    """Unusable own steps or features are refused with exit code 4, and no record is left."""
    name, old, new = change
    path = runbook.folder / name
    path.write_text(path.read_text().replace(old, new))
    ran = runbook.run("features")
    assert ran.exit_code == 4, ran.terminal
    assert told in ran.terminal
    assert ran.folder is None
