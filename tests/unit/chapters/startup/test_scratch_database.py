"""The database of a trial: waiting for it, finding its superuser, and reading its answers."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.startup import scratch_database
from runbook.chapters.startup.scratch_database import ScratchDatabase, asking, rows_in, rows_tried, trying
from runbook.errors import CommandTimedOut, Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.settings.database import DatabaseSettings
from tests.support.incident_parts import DEADLINES


class Container:
    """A host whose commands end with these exit codes in turn; psql succeeds only for `superuser`."""

    def __init__(self, *codes: int, superuser: str = "postgres", named: str = "", said: str = "") -> None:
        self.codes = list(codes)
        self.superuser, self.said = superuser, said
        self.ran: list[str] = []
        variables = [f"POSTGRES_USER={named}"] if named else ["PATH=/bin"]
        self.engine = SimpleNamespace(container=lambda *_: {"Config": {"Env": variables}})

    def run(self, command: Command) -> Completed:
        self.ran.append(" ".join(command.argv[command.argv.index("db") + 1 :]))
        if "psql" not in command.argv:
            return Completed(command, self.codes.pop(0), b"", b"it said no", 0.1)
        user = command.argv[command.argv.index("--username") + 1]
        if user != self.superuser:
            return Completed(command, 3, b"", b"ERROR:  division by zero", 0.1)
        marker = (command.stdin or b"").decode().rpartition("\\echo ")[2]
        return Completed(command, 0, f"1\n{marker}{self.said}".encode(), b"", 0.1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_database, "_PAUSE", 0.0)


def database(container: Any, **deadlines: float) -> ScratchDatabase:
    settings = SimpleNamespace(
        database=DatabaseSettings(user="shop", name="shop"), deadlines=DEADLINES.model_copy(update=deadlines)
    )
    context: Any = SimpleNamespace(host=container, settings=settings)
    return ScratchDatabase(context, SimpleNamespace(database="db"))  # type: ignore[arg-type]  # stands in


def test_one_command_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single command waits for the server on TCP, for up to the deadline `healthy`."""
    container = Container(0)
    waited: list[float] = []
    run = container.run
    monkeypatch.setattr(container, "run", lambda command: waited.append(command.deadline) or run(command))
    database(container).wait()
    assert container.ran[0] == "sh -c until pg_isready --quiet --host 127.0.0.1; do sleep 0.1 || sleep 1; done"
    assert len(container.ran) == 3
    assert waited[0] == DEADLINES.healthy


@pytest.mark.parametrize("code", [126, 127])
def test_image_without_a_shell_is_asked_again_and_again(code: int) -> None:
    """In an image without a shell, pg_isready is repeated until the deadline."""
    container = Container(code, 2, 2, 0)
    database(container).wait()
    assert container.ran[1:4] == ["pg_isready --quiet --host 127.0.0.1"] * 3
    with pytest.raises(Inconclusive, match="did not start: it said no"):
        database(Container(code, 2), healthy=-1.0).wait()


def test_server_that_ends_or_takes_too_long() -> None:
    """A server that ends or does not start in time is reported, and waiting stops."""
    with pytest.raises(Inconclusive, match="the copy of the database did not start: it said no"):
        database(Container(137)).wait()

    def late(_command: Command) -> Completed:
        raise CommandTimedOut("it did not end within 50 s", "wait")

    container = Container()
    container.run = late  # type: ignore[method-assign]
    with pytest.raises(Inconclusive, match="did not start: it did not end within 50 s"):
        database(container).wait()


@pytest.mark.parametrize(
    ("named", "superuser", "tried"),
    [("admin", "admin", ["admin"]), ("", "shop", ["shop"]), ("shop", "postgres", ["shop", "postgres"])],
)
def test_superuser_is_found(named: str, superuser: str, tried: list[str]) -> None:
    """The first superuser of these is used: the image's POSTGRES_USER, the settings' user, postgres."""
    container = Container(0, named=named, superuser=superuser)
    database(container).wait()
    assert [each.split("--username ")[1].split()[0] for each in container.ran[1:]] == tried


def test_no_superuser() -> None:
    """Without a superuser there is no copy."""
    with pytest.raises(Inconclusive, match="no known superuser"):
        database(Container(0, superuser="nobody")).wait()


def test_answer_that_breaks_off() -> None:
    """An incomplete answer is inconclusive."""
    made = database(Container(0, said="\nmore"))
    made.wait()
    with pytest.raises(Inconclusive, match="did not answer completely"):
        made.told("SELECT 1;", "SELECT 2;")


def test_what_is_asked_and_read() -> None:
    """A query is rolled back; of a query that may be refused, the result says whether it was."""
    assert asking("SELECT 1").splitlines()[1:4] == ["BEGIN;", "SELECT 1;", "ROLLBACK;"]
    assert "\\echo :SQLSTATE" in trying("SELECT 1").splitlines()
    assert rows_in('a,"b\nc"\n') == [["a", "b\nc"]]
    assert rows_tried("a,b\n00000\n") == [["a", "b"]]
    assert rows_tried("00000\n") == []
    assert rows_tried("42703\n") is None
    assert rows_tried("") is None
