"""Migrations: the verdict on what lies between the target and the database, and how an image is asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import Inconclusive
from runbook.host import Host
from runbook.migrations.in_image import ImageMigrations, migrations_in, probing
from runbook.migrations.verdict import Verdict, assess
from runbook.settings import MigrationSettings
from tests.unit.parts import Heard

SCRIPT = Path(__file__).parents[2] / "runbook" / "migrations" / "probe_script.py"
CHAIN = ImageMigrations(("c3",), {"a1": (), "b2": ("a1",), "c3": ("b2",)})
BRANCHED = ImageMigrations(("b2", "c3"), {"a1": (), "b2": ("a1",), "c3": ("a1",)})


@pytest.mark.parametrize(
    ("database", "target", "verdict", "evidence"),
    [
        pytest.param(["c3"], CHAIN, Verdict.UNCHANGED, "at revision c3", id="same"),
        pytest.param(["c3", "b2"], BRANCHED, Verdict.UNCHANGED, "at revision b2, c3", id="same-branches"),
        pytest.param(["d4"], CHAIN, Verdict.REVIEW, "no revision d4: the failed release brought it", id="ahead"),
        pytest.param(["b2"], CHAIN, Verdict.REVIEW, "behind the target", id="behind"),
        pytest.param(["c3", "x9"], CHAIN, Verdict.REVIEW, "no revision x9", id="one-branch-more"),
        pytest.param(["b2"], BRANCHED, Verdict.REVIEW, "behind the target", id="one-branch-less"),
        pytest.param(["c3"], ImageMigrations((), {}), Verdict.REVIEW, "expects none", id="image-without-migrations"),
    ],
)
def test_verdict(database: list[str], target: ImageMigrations, verdict: Verdict, evidence: str) -> None:
    """Only the same revisions are unchanged; every difference is for a human, with the evidence."""
    found = assess(database, target)
    assert found.verdict is verdict
    assert any(evidence in item for item in found.evidence)


@given(st.lists(st.sampled_from(["a1", "b2", "c3", "d4", ""]), max_size=4))
def test_unknown_is_never_good_news(database: list[str]) -> None:
    """Whatever the database is at, nothing but the target's own heads is unchanged."""
    assert (assess(database, BRANCHED).verdict is Verdict.UNCHANGED) == (set(database) == {"b2", "c3"})


def test_image_is_asked_without_network_and_without_its_entrypoint() -> None:
    """The image is run by digest, without a network, and never pulled; the script comes by its standard input."""
    command = probing("registry.example/shop/api@sha256:abc", MigrationSettings(config="db/alembic.ini"), 60)
    assert command.argv == (
        "docker", "run", "--rm", "--interactive", "--network", "none", "--pull", "never",
        "--entrypoint", "python3", "registry.example/shop/api@sha256:abc", "-", "db/alembic.ini",
    )  # fmt: skip
    assert command.stdin == SCRIPT.read_bytes()
    assert command.deadline == 60


def asked(folder: Path, prints: str, exit_code: int = 0) -> ImageMigrations:
    """What is read when the `docker` on PATH prints that: images that lie exist only here."""
    fake = folder / "docker"
    fake.write_text(f"#!/bin/sh\ncat > /dev/null\ncat <<'END'\n{prints}\nEND\nexit {exit_code}\n")
    fake.chmod(0o755)
    return migrations_in(Host({"PATH": f"{folder}:/usr/bin:/bin"}, Heard()), "api@sha256:abc", MigrationSettings(), 5)


def test_graph_is_read_from_the_last_line(tmp_path: Path) -> None:
    """What an image prints before the answer is no part of it."""
    answer = {"heads": ["b2"], "revisions": [{"revision": "a1", "down": []}, {"revision": "b2", "down": ["a1"]}]}
    found = asked(tmp_path, f"loading plugins\n{json.dumps(answer)}")
    assert found == ImageMigrations(("b2",), {"a1": (), "b2": ("a1",)})
    assert found.knows("a1")
    assert not found.knows("c3")


@pytest.mark.parametrize(
    ("prints", "exit_code"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("bash: python3: not found", 127, id="no-python"),
        pytest.param("hello", 0, id="no-json"),
        pytest.param("[]", 0, id="a-list"),
        pytest.param('{"heads": []}', 0, id="no-revisions"),
        pytest.param('{"heads": null, "revisions": []}', 0, id="heads-null"),
        pytest.param('{"heads": [], "revisions": [7]}', 0, id="revision-no-object"),
        pytest.param("[" * 100000, 0, id="nested-without-end"),
    ],
)
def test_image_that_does_not_tell_is_not_known(tmp_path: Path, prints: str, exit_code: int) -> None:
    """An image that does not tell its migrations leaves the question open, whatever it prints."""
    with pytest.raises(Inconclusive, match="the migrations in api@sha256:abc cannot be read"):
        asked(tmp_path, prints, exit_code)


_ALEMBIC = """
class ScriptDirectory:
    @classmethod
    def from_config(cls, config):
        assert config == "Config(db/alembic.ini)"
        return cls()
    def walk_revisions(self):
        class Script:
            def __init__(self, revision, down): self.revision, self.down_revision = revision, down
        return [Script("d4", ("b2", "c3")), Script("c3", "a1"), Script("b2", "a1"), Script("a1", None)]
    def get_heads(self):
        return ["d4"]
"""


def test_probe_script_tells_merges_and_roots(tmp_path: Path) -> None:
    """The script tells each revision with those it builds upon: none, one, or several at a merge."""
    package = tmp_path / "alembic"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "config.py").write_text("def Config(path):\n    return f'Config({path})'\n")
    (package / "script.py").write_text(_ALEMBIC)
    done = subprocess.run(
        [sys.executable, "-", "db/alembic.ini"],
        input=SCRIPT.read_text(),
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["heads"] == ["d4"]
    assert {item["revision"]: item["down"] for item in said["revisions"]} == {
        "a1": [],
        "b2": ["a1"],
        "c3": ["a1"],
        "d4": ["b2", "c3"],
    }
