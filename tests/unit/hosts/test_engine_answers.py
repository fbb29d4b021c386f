"""An engine that is unreachable or unreadable gives an error, never a wrong answer, and is asked again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName, Check, Observation
from runbook.errors import EngineError, HostError, Inconclusive, RunbookError
from runbook.hosts.command import Command, parsed_json
from runbook.hosts.local import LocalHost
from runbook.production.compose import Production
from runbook.settings.schema import Deadlines, Project
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import NOWHERE, incident

READERS: dict[str, Callable[[Production], Any]] = {
    "containers": lambda production: production.containers(),
    "services": lambda production: production.services(),
    "image id": lambda production: production.image_id("shop/api:v1"),
    "digests": lambda production: production.digests_of("shop/api:v1"),
    "platform": lambda production: production.host.engine.version(5),
    "projects": lambda production: production.projects_on_host(),
    "space": lambda production: production.free_bytes(),
}
IMAGE = {"Id": "sha256:1", "RepoDigests": None}


def production(folder: Path, engine: FakeEngine | None, said: str = "", patience: float = 0.0) -> Production:
    """Return a production with this engine, whose `docker compose` prints `said`."""
    (folder / "said").write_text(said)
    (folder / "docker").write_text(f"#!/bin/sh\ncat {folder}/said\n")
    (folder / "docker").chmod(0o755)
    where = engine.environment if engine else NOWHERE
    host = LocalHost({"PATH": f"{folder}:/usr/bin:/bin", **where}, incident(folder), lambda: patience)
    project = Project.model_validate({"name": "shop", "directory": str(folder)})
    return Production(host, project, Deadlines(command=10))


def but_for_version(answer: Any) -> Callable[[str], Any]:
    """Return a handler that gives this answer to every request except the client's request for the version."""
    return lambda path: None if path == "/version" else answer


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "said", ["", "expected value at line 1", "{", "[1]", "7", '["x"', "[" * 100_000, '[{"Id": 1}]', "null", "\xff"]
)
def test_answer_that_nobody_can_read_is_told_in_words_of_our_own(tmp_path: Path, reader: str, said: str) -> None:
    """An unreadable answer is an EngineError in our own words, without a parser's message."""
    engine = FakeEngine(instead=but_for_version(said.encode("latin-1")))
    if reader == "platform":
        engine.instead = lambda _path: said.encode("latin-1")
    with pytest.raises(EngineError) as raised:
        READERS[reader](production(tmp_path, engine, said))
    assert "JSON" not in str(raised.value)
    assert "Expecting" not in str(raised.value)
    assert "version" in raised.value.next_step


@pytest.mark.parametrize("reader", [name for name in READERS if name != "services"])
@pytest.mark.parametrize("gone", ["nothing listens", "the connection is closed"])
def test_engine_that_is_gone_is_no_answer(tmp_path: Path, reader: str, gone: str) -> None:
    """An unreachable engine does not mean a missing image or container; the error has a command to type."""
    engine = FakeEngine(instead=lambda _path: OSError()) if gone.startswith("the") else None
    with pytest.raises(EngineError, match="could not reach a Docker engine at unix://") as raised:
        READERS[reader](production(tmp_path, engine))
    assert "docker --host unix:///" in raised.value.next_step


def test_image_that_is_not_there_is_known(tmp_path: Path) -> None:
    """Only the engine's own 404 for an image means a missing image; any other error is an EngineError."""
    engine = FakeEngine()
    site = production(tmp_path, engine)
    assert (site.image_id("shop/api:v1"), site.digests_of("shop/api:v1")) == (None, [])
    engine.instead = but_for_version((500, {"message": "i/o timeout"}))
    with pytest.raises(EngineError, match=r"GET /v1.47/images/shop/api:v1/json returned status 500: i/o timeout"):
        site.image_id("shop/api:v1")
    engine.instead = but_for_version((404, "nothing that an engine says"))
    with pytest.raises(EngineError, match="cannot be read"):
        site.image_id("shop/api:v1")


def test_container_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    """A container that is removed between the list and its inspection is left out."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}
    engine = FakeEngine([container("c1", labels=labels), container("c2", labels=labels)])
    engine.instead = lambda path: (404, {"message": "No such container: c1"}) if path == "/containers/c1/json" else None
    assert [each.id for each in production(tmp_path, engine).containers()] == ["c2"]


@pytest.mark.parametrize("fault", [b"<html>", OSError(), (500, {"message": "restarting"})], ids=repr)
def test_engine_is_asked_again_while_patience_lasts(tmp_path: Path, fault: Any) -> None:
    """Every read survives a restart of the engine while patience lasts."""
    engine = FakeEngine(images={"shop/api:v1": IMAGE})
    left = [fault, fault]
    engine.instead = lambda _path: left.pop() if left else None
    site = production(tmp_path, engine, patience=10)
    assert site.image_id("shop/api:v1") == "sha256:1"
    left += [fault, fault]
    assert site.containers() == []


def test_patience_ends(tmp_path: Path) -> None:
    """An answer that stays unreadable until patience ends is an EngineError."""
    engine = FakeEngine(instead=but_for_version(b"<html>"))
    with pytest.raises(EngineError):
        production(tmp_path, engine, patience=1).image_id("shop/api:v1")
    assert engine.asked.count("/images/shop/api:v1/json") > 1


def flaky(*faults: RunbookError) -> Callable[[], str]:
    """Return a function that raises each of these errors once, and then answers."""
    left = list(faults)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "an answer"

    return ask


FAULTS = (HostError("garbage", "ask again"), Inconclusive("no answer", "ask again"))


def test_single_look_is_repeated_once_something_was_changed(tmp_path: Path) -> None:
    """After a change a look that failed is repeated; one that saw a wrong state counts at once."""
    found = incident(tmp_path)
    found.no_answer = 30
    found.execute(Action(ActionName.BRING_UP, "a change", ()), LocalHost({}, found))
    ask = flaky(*FAULTS)
    found.verify(Check("it so", lambda: Observation(ok=True, seen=ask()), "look"))
    assert found.journal.entries[-1]["looks"] == 3
    with pytest.raises(RunbookError, match="otherwise"):
        found.verify(Check("it so", lambda: Observation(ok=False, seen="otherwise"), "look"))
    assert found.journal.entries[-1]["looks"] == 1


def test_whether_it_is_so_already_is_asked_again(tmp_path: Path) -> None:
    """After an error the question whether an action is already done is asked again, as before resuming traffic."""
    found = incident(tmp_path)
    found.no_answer = 30
    found.execute(Action(ActionName.BRING_UP, "a change", ()), LocalHost({}, found))
    found.execute(
        Action(ActionName.RESUME_TRAFFIC, "traffic is resumed", (), already=flaky(*FAULTS)), LocalHost({}, found)
    )
    assert found.journal.entries[-1]["state"] == "already so"


def test_before_any_change_patience_is_short(tmp_path: Path) -> None:
    """Patience is 3 s before any change and 0 within a look; after a change it is the full time."""
    found = incident(tmp_path)
    found.no_answer = 30
    assert found.patience == 3
    seen: list[float] = []
    found.verify(Check("it so", lambda: seen.append(found.patience) or Observation(ok=True, seen=""), "look"))  # type: ignore[func-returns-value]  # it is None
    assert seen == [0]
    found.execute(Action(ActionName.BRING_UP, "a change", ()), LocalHost({}, found))
    assert found.patience == 30


def test_output_is_not_shown(tmp_path: Path) -> None:
    """Unreadable output is in no message, because it may hold secrets."""
    answer = LocalHost({}, incident(tmp_path)).run(Command(("echo", "{secret"), 10))
    with pytest.raises(EngineError) as raised:
        parsed_json(answer, dict)
    assert str(raised.value).count("secret") == 1  # in the command itself
