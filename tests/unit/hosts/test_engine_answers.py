"""An engine that cannot be reached, or whose answers cannot be read: never a wrong answer, and asked again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName, Check, Observation
from runbook.errors import EngineError, HostError, Inconclusive, RunbookError
from runbook.hosts.command import Command, parsed_json
from runbook.hosts.local import Host
from runbook.production.compose import Production
from runbook.settings.schema import Deadlines, Project
from tests.support.incident_parts import incident

_GONE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"

READERS: dict[str, Callable[[Production], Any]] = {
    "containers": lambda production: production.containers(),
    "services": lambda production: production.services(),
    "image id": lambda production: production.image_id("shop/api:v1"),
    "digests": lambda production: production.digests_of("shop/api:v1"),
}


def production(folder: Path, script: str, patience: float = 0.0) -> Production:
    """A production whose `docker` is this shell script; `$n` says how often it was called."""
    (folder / "bin").mkdir()
    docker = folder / "bin/docker"
    count = f'n=$(cat {folder}/n 2>/dev/null || echo 0); n=$((n + 1)); echo "$n" > {folder}/n'
    docker.write_text(f'#!/bin/sh\n{count}\n[ "$1" = ps ] && echo be92b629a43f && exit 0\n{script}\n')
    docker.chmod(0o755)
    host = Host({"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}, incident(folder), lambda: patience)
    project = Project.model_validate({"name": "shop", "directory": str(folder)})
    return Production(host, project, Deadlines(command=10))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "said", ["", "expected value at line 1", "{", "[1]", "7", '["x"', "[" * 100_000, '[{"Id": 1}]']
)
def test_answer_that_nobody_can_read_is_told_in_words_of_our_own(tmp_path: Path, reader: str, said: str) -> None:
    """Whatever is printed in place of an answer: it is not known, and no parser's error is shown."""
    (tmp_path / "said").write_text(said)
    site = production(tmp_path, f"cat {tmp_path}/said")
    if (reader, said) in (("digests", "[1]"), ("digests", '[{"Id": 1}]')):
        assert len(site.digests_of("shop/api:v1")) == 1  # a list of something is what digests are
        return
    with pytest.raises(EngineError) as raised:
        READERS[reader](site)
    assert "JSON" not in str(raised.value)
    assert "Expecting" not in str(raised.value)
    assert "version" in raised.value.next_step


@pytest.mark.parametrize("reader", READERS)
def test_engine_that_is_gone_is_no_answer(tmp_path: Path, reader: str) -> None:
    """That no engine answers does not mean that there is no such image, or no container."""
    with pytest.raises(EngineError, match="reached no Docker engine"):
        READERS[reader](production(tmp_path, f"echo '{_GONE}' >&2; exit 1"))


def test_image_that_is_not_there_is_known(tmp_path: Path) -> None:
    """When the engine says that it has no such image, that is an answer; another error of it is none."""
    site = production(tmp_path, 'echo "Error response from daemon: No such image: shop/api:v1" >&2; exit 1')
    assert (site.image_id("shop/api:v1"), site.digests_of("shop/api:v1")) == (None, [])
    (tmp_path / "bin/docker").write_text("#!/bin/sh\necho 'Error response from daemon: i/o timeout' >&2; exit 1\n")
    with pytest.raises(EngineError, match="i/o timeout"):
        site.image_id("shop/api:v1")


@pytest.mark.parametrize("fault", ["echo '<html>'; exit 0", f"echo '{_GONE}' >&2; exit 1"], ids=["garbage", "gone"])
def test_engine_is_asked_again_while_patience_lasts(tmp_path: Path, fault: str) -> None:
    """The engine's restart is survived by whatever is read, in a look or not."""
    site = production(tmp_path, f"[ $n -lt 3 ] && {{ {fault}; }}\necho '\"sha256:1\"'", patience=10)
    assert site.image_id("shop/api:v1") == "sha256:1"
    (tmp_path / "n").unlink()
    docker = tmp_path / "bin/docker"
    docker.write_text(docker.read_text().replace('[ "$1" = ps ]', f"[ $n -lt 3 ] && {{ {fault}; }}\n[ $1 = ps ]"))
    docker.write_text(docker.read_text().replace("'\"sha256:1\"'", "'[]'"))
    assert site.containers() == []


def test_patience_ends(tmp_path: Path) -> None:
    """What stays as it is counts when patience is over."""
    with pytest.raises(EngineError):
        production(tmp_path, "echo '<html>'", patience=1).image_id("shop/api:v1")
    assert int((tmp_path / "n").read_text()) > 1


def flaky(*faults: RunbookError) -> Callable[[], str]:
    """Something that fails once with each of these, and answers then."""
    left = list(faults)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "an answer"

    return ask


FAULTS = (HostError("garbage", "ask again"), Inconclusive("no answer", "ask again"))


def test_single_look_is_repeated_once_something_was_changed(tmp_path: Path) -> None:
    """Behind the gate a look that could not be made is made again; one that saw the wrong thing counts at once."""
    found = incident(tmp_path)
    found.no_answer = 30
    found.execute(Action(ActionName.BRING_UP, "a change", ()), Host({}, found))
    ask = flaky(*FAULTS)
    found.verify(Check("it so", lambda: Observation(ok=True, seen=ask()), "look"))
    assert found.journal.entries[-1]["looks"] == 3
    with pytest.raises(RunbookError, match="otherwise"):
        found.verify(Check("it so", lambda: Observation(ok=False, seen="otherwise"), "look"))
    assert found.journal.entries[-1]["looks"] == 1


def test_whether_it_is_so_already_is_asked_again(tmp_path: Path) -> None:
    """Resuming traffic is not given up because the gate's state was asked at a bad moment."""
    found = incident(tmp_path)
    found.no_answer = 30
    found.execute(Action(ActionName.BRING_UP, "a change", ()), Host({}, found))
    found.execute(Action(ActionName.RESUME_TRAFFIC, "traffic is resumed", (), already=flaky(*FAULTS)), Host({}, found))
    assert found.journal.entries[-1]["state"] == "already so"


def test_before_any_change_patience_is_short(tmp_path: Path) -> None:
    """While nothing was changed nobody waits for long; and not twice, in a look and for each command in it."""
    found = incident(tmp_path)
    found.no_answer = 30
    assert found.patience == 3
    seen: list[float] = []
    found.verify(Check("it so", lambda: seen.append(found.patience) or Observation(ok=True, seen=""), "look"))  # type: ignore[func-returns-value]  # it is None
    assert seen == [0]
    found.execute(Action(ActionName.BRING_UP, "a change", ()), Host({}, found))
    assert found.patience == 30


def test_output_is_not_shown(tmp_path: Path) -> None:
    """What could not be read may hold secrets: it stands in no message."""
    answer = Host({}, incident(tmp_path)).run(Command(("echo", "{secret"), 10))
    with pytest.raises(EngineError) as raised:
        parsed_json(answer, dict)
    assert str(raised.value).count("secret") == 1  # in the command, which was typed
