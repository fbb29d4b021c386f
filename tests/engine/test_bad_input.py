"""Bad input is refused in one clear line, with a nonzero exit code, before production is touched."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import ROOT, Ran, Rehearsed

SETTINGS_REFUSED = 4


@pytest.fixture
def untouched(rehearsed: Rehearsed) -> Iterator[Rehearsed]:
    """Production. After the test it must have the same containers and env file as before."""
    ids, env_file = rehearsed.ids(), rehearsed.env_file.read_bytes()
    yield rehearsed
    assert rehearsed.ids() == ids
    assert rehearsed.env_file.read_bytes() == env_file


def execute(here: Rehearsed, settings: Path | None = None, *arguments: str) -> Ran:
    return here.run("--execute", here.practice.name, *arguments, settings=settings)


def edited(here: Rehearsed, folder: Path, *changes: tuple[str, str]) -> Path:
    text = here.practice.settings.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "runbook.toml"
    path.write_text(text)
    return path


def one_line(ran: Ran, *words: str) -> None:
    """Assert that one message on the terminal contains all the words, even if it was wrapped."""
    lines = re.sub(r"\n {10,}", " ", ran.terminal).splitlines()
    assert [line for line in lines if all(word in line for word in words)], ran.terminal


def changes_begun(ran: Ran) -> list[str]:
    return [entry["summary"] for entry in ran.of_kind("action") if entry["state"] == "begun"]


def test_no_settings_file(untouched: Rehearsed, tmp_path: Path) -> None:
    """A missing settings file is named, with the command that creates one."""
    ran = execute(untouched, tmp_path / "runbook.toml")
    assert ran.exit_code == SETTINGS_REFUSED
    one_line(ran, "ERROR: no settings file at", "docs/runbook.example.toml")
    assert ran.folder is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            ("tag_variable", "tag_varable"), ["project.tag_varable: unknown key", "tag_variable"], id="unknown key"
        ),
        pytest.param(("port = 8000", 'port = "http"'), ["health.port"], id="wrong type"),
    ],
)
def test_settings_that_mean_nothing(
    untouched: Rehearsed, tmp_path: Path, change: tuple[str, str], words: list[str]
) -> None:
    """An unknown key or a wrong type is reported with its table."""
    ran = execute(untouched, edited(untouched, tmp_path, change))
    assert ran.exit_code == SETTINGS_REFUSED
    one_line(ran, "ERROR:", *words)
    assert ran.folder is None


def test_wrong_project_name(untouched: Rehearsed) -> None:
    """--execute with another project's name is refused, and the right name is shown."""
    ran = untouched.run("--execute", "shop-production")
    assert ran.exit_code == SETTINGS_REFUSED
    one_line(ran, "ERROR:", "shop-production", untouched.practice.name)


def test_project_that_is_not_running(untouched: Rehearsed, tmp_path: Path) -> None:
    """A project that does not run on the host is refused, and the running ones are named."""
    name = untouched.practice.name
    settings = edited(untouched, tmp_path, (f'name = "{name}"', 'name = "shop-elsewhere"'))
    ran = untouched.run("--execute", "shop-elsewhere", settings=settings)
    assert ran.exit_code == SETTINGS_REFUSED
    one_line(ran, "ERROR:", "shop-elsewhere is not running", name)
    assert ran.folder is None


def test_tag_that_the_registry_does_not_have(untouched: Rehearsed) -> None:
    """A tag that the registry lacks is reported, with the tags that exist."""
    ran = execute(untouched, None, "--to", "2025-12-01-rc9")
    assert ran.exit_code == 1
    one_line(ran, "has no shop/api:2025-12-01-rc9", "2025-12-15-rc1")
    assert changes_begun(ran) == []


def test_registry_refusing_the_password(untouched: Rehearsed, tmp_path: Path) -> None:
    """A wrong password is reported with the user's name, and the password is shown nowhere."""
    wrong = tmp_path / "password"
    wrong.write_text("not-the-password\n")
    right = untouched.practice.folder / "secrets/registry_password"
    ran = execute(untouched, edited(untouched, tmp_path, (str(right), str(wrong))), "--to", "2025-12-18-rc1")
    assert ran.exit_code == 1
    one_line(ran, "refuses the user deploy (HTTP 401)", "registry.password")
    assert changes_begun(ran) == []
    assert "not-the-password" not in ran.terminal + (ran.folder / "journal.jsonl").read_text()


def test_env_file_without_the_tag(untouched: Rehearsed, tmp_path: Path) -> None:
    """An env file that does not set the tag is reported before anything else is checked."""
    ran = execute(untouched, edited(untouched, tmp_path, ('"IMAGE_TAG"', '"RELEASE_TAG"')), "--to", "2025-12-18-rc1")
    assert ran.exit_code == 1
    one_line(ran, "does not set RELEASE_TAG")
    assert changes_begun(ran) == []


def test_disk_nearly_full(untouched: Rehearsed, tmp_path: Path) -> None:
    """Too little disk space on the host is reported, with the space that is free."""
    settings = edited(untouched, tmp_path, ("[host]", "[host]\nminimum_free_gib = 1000000.0"))
    ran = execute(untouched, settings, "--to", "2025-12-18-rc1")
    assert ran.exit_code == 1
    one_line(ran, "at least 1e+06 GiB free", "GiB free for project")
    assert changes_begun(ran) == []


@pytest.mark.usefixtures("untouched")
def test_port_that_is_taken() -> None:
    """A rehearsal on a port that is in use is refused in one line, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            [ROOT / "script/rehearse", "--port", str(port)], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == SETTINGS_REFUSED
    assert [line for line in done.stderr.splitlines() if "ERROR" in line and str(port) in line]


def test_release_that_failed_before(untouched: Rehearsed) -> None:
    """A release in quarantine is no target, even if named, and the incident in which it failed is shown."""
    ran = execute(untouched, None, "--to", "2025-12-18-rc1")
    assert ran.exit_code == 1
    one_line(ran, "2025-12-18-rc1 is in quarantine", "failed in incident")
    assert changes_begun(ran) == []


def test_registry_down_with_the_image_on_the_host(rehearsed: Rehearsed) -> None:
    """If the images are on the host, a rollback passes while the registry is down, and the record says so (trap 8)."""
    plan = rehearsed.plan_without_registry
    assert plan is not None
    assert plan.exit_code == 0, plan.terminal
    evidence = " ".join(plan.of_kind("decision")[0]["evidence"])
    assert "as the host's copy says, because the registry" in evidence


def test_registry_down_without_the_image(untouched: Rehearsed) -> None:
    """If the host has no copy either, a registry that is down is reported."""
    with untouched.registry_down():
        ran = execute(untouched, None, "--to", "2025-12-01-rc9")
    assert ran.exit_code == 1
    one_line(ran, "cannot be reached", "is not on the host")
    assert changes_begun(ran) == []
