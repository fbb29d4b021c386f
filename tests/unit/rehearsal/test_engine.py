"""How a rehearsal runs its commands, and the lines that it prints."""

import os
import time
from pathlib import Path

import pytest

from rehearsal.docker_host.engine import Engine, run
from rehearsal.docker_host.locks import try_lock, waiting_for
from rehearsal.docker_host.parallel import side_by_side
from rehearsal.errors import RehearsalError
from rehearsal.stages import Stages

PLAIN = {"PATH": os.environ["PATH"]}


def test_a_command_sees_the_environment_that_it_is_given() -> None:
    """Nothing else of ours reaches a command."""
    assert run(["env"], timeout=10, environment={**PLAIN, "A": "b"}) == f"PATH={PLAIN['PATH']}\nA=b\n"


def test_docker_gets_nothing_of_the_shell_that_could_interfere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exported tag, project or Compose file stays in the shell; path, home and the engine's address pass."""
    for name in ("IMAGE_TAG", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "DOCKER_CONTEXT", "DOCKER_BUILDKIT"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    assert set(Engine(Path("/config")).environment) == {"PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"}


def test_a_failure_is_one_line_and_the_tail_of_the_output_without_secrets() -> None:
    """The line has the command and its exit code; of long output the end is kept; secrets are masked."""
    script = "seq 30; echo the password is hunter2 >&2; exit 3"
    with pytest.raises(RehearsalError) as failure:
        run(["sh", "-c", script], timeout=10, environment=PLAIN, hide=["hunter2"])
    assert failure.value.line == f"`sh -c '{script}'` ended with 3, expected 0"
    assert failure.value.tail.splitlines()[-1] == "the password is ***"
    assert len(failure.value.tail.splitlines()) == 15


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the deadline nothing of it goes on."""
    mark = tmp_path / "mark"
    with pytest.raises(RehearsalError, match="did not end within 0 s and was killed"):
        run(["sh", "-c", f"(sleep 1; touch {mark}) & wait"], timeout=0.3, environment=PLAIN)
    time.sleep(1.2)
    assert not mark.exists()


def test_a_command_that_is_missing_says_what_to_type() -> None:
    """A program that is not there ends in a line, not in a traceback."""
    with pytest.raises(RehearsalError, match=r"`no-such-program` could not start: .*; type: script/bootstrap"):
        run(["no-such-program"], timeout=1, environment=PLAIN)


def test_the_first_failure_ends_what_runs_beside_it() -> None:
    """Side by side, one that fails does not wait for one that takes long."""

    def long() -> None:
        run(["sleep", "30"], timeout=60, environment=PLAIN)

    def wrong() -> None:
        time.sleep(0.2)
        raise RehearsalError("the first failure")

    began = time.monotonic()
    with pytest.raises(RehearsalError, match="the first failure"):
        side_by_side(long, wrong)
    assert time.monotonic() - began < 5


def test_a_lock_is_had_by_one_at_a_time(tmp_path: Path) -> None:
    """While one has the lock another does not get it; waiting for it ends with a line that says who has it."""
    said: list[str] = []
    with waiting_for(tmp_path / "lock", "builds images", Stages(said.append), timeout=1):
        assert try_lock(tmp_path / "lock") is None
        with (
            pytest.raises(RehearsalError, match="another rehearsal still builds images after 0 s"),
            waiting_for(tmp_path / "lock", "builds images", Stages(said.append), timeout=0),
        ):
            pass
    held = try_lock(tmp_path / "lock")
    assert held is not None
    held.close()
    assert len(said) == 1
    assert said[0].endswith("s  waiting for another rehearsal that builds images")


def test_stages_are_lines_with_seconds() -> None:
    """A stage is said with the time since the beginning."""
    said: list[str] = []
    Stages(said.append)("the registry answers")
    assert said == ["  0.0 s  the registry answers"]
