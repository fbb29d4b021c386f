"""Programs inside a container: the engine runs them, and no process is started here."""

import time

import pytest

from runbook.errors import CommandSaidTooMuch, CommandTimedOut, EngineError
from runbook.hosts.command import Command
from tests.support.engine_server import FakeEngine, container
from tests.support.parts import Heard, host

ASKING = Command(("docker", "exec", "shop-db-1", "psql"), 5, most_output=1000)


def test_program_ends_with_code_and_both_streams() -> None:
    """A program gives its exit code and both streams, and is recorded once, as run by the engine."""
    engine = FakeEngine([container("c1")], inside=lambda name, argv: (3, f"{name} {argv}", "oh"))
    heard = Heard()
    done = host(heard, engine.environment).run_inside(ASKING, "c1", ("psql", "-c", "x"))
    assert (done.exit_code, done.text, done.errors) == (3, "c1 ['psql', '-c', 'x']", "oh")
    assert (heard.ended, heard.began, done.by_engine) == ([done], [], True)


def test_what_cannot_be_run_there_ends_like_a_command() -> None:
    """If the container has stopped, the result is exit code 1 with the engine's message."""
    engine = FakeEngine([container("c1")], inside=lambda *_: "container c1 is not running")
    done = host(Heard(), engine.environment).run_inside(ASKING, "c1", ("psql",))
    assert (done.exit_code, done.last_line) == (1, "container c1 is not running")


def test_flood_is_refused() -> None:
    """Output above the command's limit is refused."""
    engine = FakeEngine([container("c1")], inside=lambda *_: (0, "x" * 5000, ""))
    heard = Heard()
    with pytest.raises(CommandSaidTooMuch):
        host(heard, engine.environment).run_inside(ASKING, "c1", ("psql",))
    assert [why for _, why in heard.stopped] != []


def test_program_that_does_not_end() -> None:
    """A program is given up at its deadline, and may still be running."""
    engine = FakeEngine([container("c1")], inside=lambda *_: _wait())
    with pytest.raises(CommandTimedOut, match="it may still be running"):
        host(Heard(), engine.environment).run_inside(Command(("x",), 0.3), "c1", ("psql",))


def test_without_an_engine_there_is_no_answer() -> None:
    """Without an engine the result is an EngineError, not an exit code."""
    engine = FakeEngine([container("c1")])
    engine.close()
    with pytest.raises(EngineError):
        host(Heard(), engine.environment).run_inside(ASKING, "c1", ("psql",))


def _wait() -> tuple[int, str, str]:
    time.sleep(2)
    return 0, "", ""
