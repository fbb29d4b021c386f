"""Looks ahead run in parallel, and each is recorded in its own step."""

import threading
import time
from pathlib import Path

import pytest

from runbook.actions import Check, Observation
from runbook.errors import CheckFailed, Inconclusive, ProductionError
from runbook.hosts.command import Command
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from tests.support.incident_parts import incident


def opened(found: Executor, number: int) -> None:
    found.step_began({"id": f"5.1.{number}", "keyword": "Then", "text": "x", "scenario": "s", "place": "p"})


def kinds(found: Executor) -> list[str]:
    return [entry.get("command") or entry.get("expected") or entry["kind"] for entry in found.journal.entries]


def asking(host: LocalHost, word: str, together: threading.Barrier) -> Check:
    """Return a check that runs a command, and passes only when all others run at the same time."""

    def observe() -> Observation:
        together.wait(20)
        return Observation(ok=True, seen=host.check(Command(("echo", word), 10)).text.strip())

    return Check(f"{word} said", observe, "")


def test_at_the_same_time_and_on_record_in_order(tmp_path: Path) -> None:
    """Checks of later steps run in parallel; each command is recorded in its own step, before its check."""
    found = incident(tmp_path, Mode.VALIDATE)
    host, together = LocalHost({}, found, lambda: found.patience), threading.Barrier(3)
    words = ("one", "two", "three")
    found.look_ahead([asking(host, word, together) for word in reversed(words)])
    for number, word in enumerate(words):
        opened(found, number)
        found.verify(asking(host, word, together))
        assert found.step_ended().detail == word
    assert kinds(found) == [
        each for word in words for each in ("step began", f"echo {word}", f"{word} said", "step ended")
    ]


def test_step_that_was_not_begun_ahead_looks_by_itself(tmp_path: Path) -> None:
    """The result of a look ahead is used once; the next step with an equal check looks itself."""
    found = incident(tmp_path, Mode.VALIDATE)
    looks: list[int] = []

    def observe() -> Observation:
        looks.append(1)
        return Observation(ok=True, seen="seen")

    def check() -> Check:
        return Check("something", observe, "")

    found.look_ahead([check()])
    for number in range(2):
        opened(found, number)
        found.verify(check())
        found.step_ended()
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (Inconclusive("no answer", "look"), Inconclusive),
        (ProductionError("gone", "look"), ProductionError),
        (None, CheckFailed),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told_in_its_step(tmp_path: Path, raised: Exception | None, error: type[Exception]) -> None:
    """A look ahead that fails, is inconclusive or raises does so in its own step, and in no other."""
    found = incident(tmp_path, Mode.VALIDATE)

    def observe() -> Observation:
        if raised:
            raise raised
        return Observation(ok=False, seen="nothing is well")

    found.look_ahead([Check("all well", observe, "look")])
    opened(found, 1)
    found.verify(Check("something else", lambda: Observation(ok=True, seen="it is"), ""))
    found.step_ended()
    opened(found, 2)
    with pytest.raises(error):
        found.verify(Check("all well", observe, "look"))


def test_what_nobody_asks_for_is_on_no_record(tmp_path: Path) -> None:
    """A look ahead whose result is never taken is not recorded, and nothing waits for it."""
    found = incident(tmp_path, Mode.VALIDATE)
    host, let_go = LocalHost({}, found, lambda: found.patience), threading.Event()

    def observe() -> Observation:
        host.check(Command(("echo", "asked"), 10))
        let_go.wait(20)
        return Observation(ok=True, seen="")

    began = time.monotonic()
    found.look_ahead([Check("asked", observe, "")])
    opened(found, 1)
    found.step_ended()
    assert time.monotonic() - began < 15
    let_go.set()
    assert kinds(found) == ["step began", "step ended"]


def test_parts_of_a_step_at_once_and_on_record_in_order(tmp_path: Path) -> None:
    """The parts of a step run in parallel and are recorded in order, also in a look ahead."""
    found = incident(tmp_path)
    host, words = LocalHost({}, found, lambda: found.patience), ("one", "two", "three")

    def parts() -> list[str]:
        together = threading.Barrier(3)
        return found.ahead.at_once(*(lambda word=word: asking(host, word, together).observe().seen for word in words))

    found.ahead.begin({"ahead": parts})
    opened(found, 1)
    assert parts() == list(words)
    found.step_ended()
    opened(found, 2)
    assert found.ahead.found("ahead", list) == list(words)
    found.step_ended()
    assert kinds(found) == ["step began", *(f"echo {word}" for word in words), "step ended"] * 2


def test_first_error_of_parts_is_raised_when_all_are_on_record(tmp_path: Path) -> None:
    """The error of the first part is raised after all parts are recorded, even if another part failed earlier."""
    found = incident(tmp_path)
    host, later = LocalHost({}, found, lambda: found.patience), threading.Event()

    def first() -> None:
        later.wait(20)
        raise ProductionError("first", "look")

    def second() -> None:
        host.check(Command(("echo", "second"), 10))
        later.set()
        raise ProductionError("second", "look")

    opened(found, 1)
    with pytest.raises(ProductionError, match="first"):
        found.ahead.at_once(first, second)
    assert kinds(found) == ["step began", "echo second"]


def test_what_is_repeated_as_a_whole_waits_for_no_command(tmp_path: Path) -> None:
    """A look that is repeated as a whole, and its parts, retry no single command; a look made only once does."""
    found = incident(tmp_path)
    found.no_answer = 2.0
    seen: list[float] = []

    def observe() -> Observation:
        seen.extend(found.ahead.at_once(lambda: found.patience))
        return Observation(ok=True, seen="")

    opened(found, 1)
    for name, one_look in (("whole", False), ("once", True)):
        check = Check(name, observe, "", one_look=one_look)
        found.verify(check)
        found.look_ahead([check])
        found.verify(check)
    assert seen == [0.0, 0.0, 2.0, 2.0]
