"""The commands of a rehearsal, its locks, and its progress lines."""

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
    """A command gets exactly the given environment."""
    assert run(["env"], timeout=10, environment={**PLAIN, "A": "b"}) == f"PATH={PLAIN['PATH']}\nA=b\n"


def test_docker_gets_nothing_of_the_shell_that_could_interfere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker gets PATH, HOME and the engine's address, and no tag, project or Compose file from the shell."""
    for name in ("IMAGE_TAG", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "DOCKER_CONTEXT", "DOCKER_BUILDKIT"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    assert set(Engine(Path("/config")).environment) == {"PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"}


def test_a_failure_is_one_line_and_the_tail_of_the_output_without_secrets() -> None:
    """A failure has one line with the command and exit code, and the end of the output with secrets masked."""
    script = "seq 30; echo the password is hunter2 >&2; exit 3"
    with pytest.raises(RehearsalError) as failure:
        run(["sh", "-c", script], timeout=10, environment=PLAIN, hide=["hunter2"])
    assert failure.value.line == f"`sh -c '{script}'` ended with 3, expected 0"
    assert failure.value.tail.splitlines()[-1] == "the password is ***"
    assert len(failure.value.tail.splitlines()) == 15


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the deadline, the command's child processes are killed too."""
    mark = tmp_path / "mark"
    with pytest.raises(RehearsalError, match="did not end within 0 s and was killed"):
        run(["sh", "-c", f"(sleep 1; touch {mark}) & wait"], timeout=0.3, environment=PLAIN)
    time.sleep(1.2)
    assert not mark.exists()


def test_a_command_that_is_missing_says_what_to_type() -> None:
    """A missing program gives one line with the next command to type."""
    with pytest.raises(RehearsalError, match=r"`no-such-program` could not start: .*; type: script/bootstrap"):
        run(["no-such-program"], timeout=1, environment=PLAIN)


def test_the_first_failure_ends_what_runs_beside_it() -> None:
    """A failed task does not wait for a long task that runs in parallel."""

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
    """A held lock cannot be taken again; waiting for it ends with a line that names its holder."""
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
    """A stage is printed with the seconds since the beginning."""
    said: list[str] = []
    Stages(said.append)("the registry answers")
    assert said == ["  0.0 s  the registry answers"]
