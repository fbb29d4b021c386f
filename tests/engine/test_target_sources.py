"""Without a ledger, the target comes from the registry's tags, or from an archive of build logs."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Ran, Rehearsed

LIVE, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
#: Without this, releases that other tests pushed to the registry would fill the list.
THESE = f"""
[targets]
pattern = "{LIVE}|{FAILED}"
"""
LOGS = r"""
[targets]
registry = false
host = false

[[targets.logs]]
path = "{folder}"
pattern = '^(?P<time>\S+) deployed shop (?P<tag>\S+)$'
means = "deployed"
"""


@pytest.fixture(scope="module")
def forgetful(broken: Rehearsed) -> Rehearsed:
    """Production with the failed release, and no ledger."""
    (broken.practice.server / ".runbook" / "known_good.jsonl").unlink()
    return broken


def with_more(here: Rehearsed, folder: Path, more: str) -> Path:
    """Return the production's settings with additional tables."""
    settings = folder / "runbook.toml"
    settings.write_text(here.practice.settings.read_text() + more)
    return settings


def choice(ran: Ran) -> dict[str, Any]:
    return [entry for entry in ran.of_kind("decision") if entry["question"] == "target"][-1]


def test_target_from_the_registry(forgetful: Rehearsed, tmp_path: Path) -> None:
    """The registry's tags and the host's images are listed, and the failed release is barred."""
    ran = forgetful.run(settings=with_more(forgetful, tmp_path, THESE))
    assert ran.exit_code == 0, ran.terminal
    chosen = choice(ran)
    assert (chosen["answer"], ran.fact("target")["tag"]) == (LIVE, LIVE)
    kinds = {each["tag"]: each["kind"] for each in chosen["candidates"]}
    assert kinds[LIVE] == "built"
    barred = [each["tag"] for each in chosen["candidates"] if any(one["bars"] for one in each["against"])]
    assert barred == [FAILED]


def test_target_from_an_archive_of_build_logs(forgetful: Rehearsed, tmp_path: Path) -> None:
    """The release that the logs say was deployed before is the target, and production reaches it."""
    (tmp_path / "builds").mkdir()
    for number, tag in enumerate(("2025-12-01-rc9", LIVE, FAILED)):
        log = f"building\n2025-12-1{number}T10:00:00Z deployed shop {tag}\nsuccess\n"
        (tmp_path / "builds" / f"{number}.log").write_text(log)
    settings = with_more(forgetful, tmp_path, LOGS.format(folder=tmp_path / "builds"))
    ran = forgetful.run("--execute", forgetful.practice.name, settings=settings)
    assert ran.exit_code == 0, ran.terminal
    assert [(each["tag"], each["kind"]) for each in choice(ran)["candidates"]][:1] == [(LIVE, "deployed")]
    assert f"IMAGE_TAG={LIVE}" in forgetful.env_file.read_text()
