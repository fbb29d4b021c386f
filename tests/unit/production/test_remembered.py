"""The cache of production's state, valid within one look, and of Compose's answers for unchanged files."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook.hosts.command import Command, Completed
from runbook.production.compose import Production
from runbook.production.env_file import EnvFileOnHost, names_in
from runbook.production.remembered import Remembered
from runbook.secrets.redactor import Redactor
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import incident, production
from tests.support.parts import Heard

COMPOSE = "services: {api: {image: 'shop/api:${IMAGE_TAG}'}}\n"


def counted(answers: list[object]) -> object:
    """Return the next of `answers`."""
    return answers.pop(0)


def test_nothing_is_kept_where_nobody_says_when_a_look_begins() -> None:
    """Without `within_looks` nothing is cached."""
    found = Remembered()
    left: list[object] = [1, 2]
    assert [found.seen("x", lambda: counted(left)) for _ in range(2)] == [1, 2]


def test_what_was_seen_counts_until_the_next_look() -> None:
    """A result is cached within one look, and asked for again in the next."""
    found = Remembered()
    found.within_looks = True
    left: list[object] = [1, 2]
    assert [found.seen("x", lambda: counted(left)) for _ in range(2)] == [1, 1]
    found.forget()
    assert found.seen("x", lambda: counted(left)) == 2


def test_what_was_seen_counts_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one look too, a cached result expires after a moment."""
    monkeypatch.setattr("runbook.production.remembered._MOMENT", -1.0)
    found = Remembered()
    found.within_looks = True
    left: list[object] = [1, 2]
    assert [found.seen("x", lambda: counted(left)) for _ in range(2)] == [1, 2]


def test_error_is_not_kept() -> None:
    """An error is not cached: the next call asks again."""
    found = Remembered()
    found.within_looks = True
    with pytest.raises(IndexError):
        found.seen("x", lambda: counted([]))
    assert found.seen("x", lambda: counted([1])) == 1


def test_what_the_engine_tells_of_counts_in_other_looks_until_it_tells() -> None:
    """Only results covered by engine events stay cached across looks, and only until the next event."""
    found = Remembered()
    found.within_looks = True
    asked: list[float] = []
    told = False

    def unchanged_since(moment: float) -> bool:
        asked.append(moment)
        return not told

    found.unchanged_since = unchanged_since

    def look(left: list[object], *, told_by_engine: bool) -> object:
        found.forget()
        return found.seen("x", lambda: counted(left), told_by_engine=told_by_engine)

    left: list[object] = [1, 2, 3, 4]
    began = time.monotonic()
    assert [look(left, told_by_engine=True) for _ in range(3)] == [1, 1, 1]
    assert began < asked[-1] < time.monotonic()  # a moment before the look
    told = True
    assert [look(left, told_by_engine=True) for _ in range(2)] == [2, 3]
    told = False
    assert look(left, told_by_engine=False) == 4


def test_two_looks_at_the_same_time_ask_once() -> None:
    """Of two concurrent calls for one answer, one asks and the other waits."""
    found = Remembered()
    found.within_looks = True
    asking, let_go = threading.Event(), threading.Event()
    asked: list[Completed] = []

    def ask() -> Completed:
        asking.set()
        assert let_go.wait(20)
        asked.append(answer("once"))
        return asked[-1]

    for what in (lambda: found.seen("x", ask), lambda: found.made(("x", ()), lambda: "same", ask, asked.append)):
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(what)
            assert asking.wait(20)
            second = pool.submit(what)
            let_go.set()
            assert first.result(20) is second.result(20)
        asking.clear()
        let_go.clear()
    assert len(asked) == 2


def answer(text: str) -> Completed:
    return Completed(Command(("docker",), 1), 0, text.encode(), b"", 0.1)


def test_what_is_made_while_the_content_changes_is_not_kept() -> None:
    """An answer is not cached if the files' content changed while it was made."""
    found = Remembered()
    contents, made = ["a", "b", "b", "b", "b"], [answer("1"), answer("2")]
    texts = [found.made(("x", ()), lambda: contents.pop(0), lambda: made.pop(0), untold).text for _ in range(3)]
    assert texts == ["1", "2", "2"]


def untold(completed: Completed) -> None:
    pytest.fail(f"{completed} was on record already")


def test_what_was_made_before_the_record_goes_on_it_where_it_is_used_first() -> None:
    """An answer from before the record began is recorded once, when it is first used."""
    before, found = Remembered(), Remembered()
    for what in ("used", "unused"):
        before.made((what, ()), lambda: "same", lambda: answer("made"), untold)
    found.take_over(before)
    told: list[Completed] = []
    for _ in range(2):
        made = found.made(("used", ()), lambda: "same", lambda: answer("anew"), told.append)
        assert made.text == "made"
    assert told == [made]
    assert found.made(("used", ()), lambda: "another", lambda: answer("anew"), untold).text == "anew"


def test_answer_about_files_that_are_not_known_counts_within_one_look() -> None:
    """If the files' content is unknown, an answer is cached per question and files within one look."""
    found = Remembered()
    found.within_looks = True
    left = [answer(number) for number in "123"]

    def ask(*files: str) -> str:
        return found.made(("x", files), lambda: None, lambda: left.pop(0), untold).text

    assert [ask("a"), ask("a"), ask("b")] == ["1", "1", "2"]
    found.forget()
    assert ask("a") == "3"


def site(folder: Path, heard: Heard, compose: str = COMPOSE) -> Production:
    (folder / "docker-compose.yml").write_text(compose)
    (folder / ".env").write_text("IMAGE_TAG=v1\n")
    made = production(folder, heard, {"config --format json": '{"services": {"api": {"image": "shop/api:v1"}}}'})
    vars(made.invocation)["files"] = ("docker-compose.yml",)
    return made


def test_compose_is_asked_once_for_the_same_files(tmp_path: Path) -> None:
    """Compose is asked once per tag, variables and content of its files; one changed byte asks again."""
    heard = Heard()
    found = site(tmp_path, heard)
    for _ in range(3):
        found.services()
    assert len(heard.ended) == 1
    found.services("v2")
    found.services(variables={"EXPORT_MODE": "off"})
    assert len(heard.ended) == 3
    for name in (".env", "docker-compose.yml"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")
        found.services()
    assert len(heard.ended) == 5


def test_answer_is_nobodys_to_change(tmp_path: Path) -> None:
    """A caller that changes Compose's answer changes only its own copy."""
    found = site(tmp_path, Heard())
    found.services().clear()
    assert found.services()


@pytest.mark.parametrize(
    "text",
    [
        "include: [other.yml]\n",
        "    extends: {file: other.yml}\n",
        "    env_file: x\n",
        "    label_file: x\n",
        '"incl\\u0075de"\n',
    ],
)
def test_compose_is_asked_again_where_it_reads_other_files(tmp_path: Path, text: str) -> None:
    """If Compose reads further files, its answer is not cached, because their content is unknown."""
    heard = Heard()
    found = site(tmp_path, heard, COMPOSE + text)
    for _ in range(2):
        found.services()
    assert len(heard.ended) == 2


def test_compose_is_asked_again_where_a_file_cannot_be_read(tmp_path: Path) -> None:
    """If a file cannot be read, Compose's answer is not cached."""
    heard = Heard()
    found = site(tmp_path, heard)
    (tmp_path / ".env").unlink()
    for _ in range(2):
        found.services()
    assert len(heard.ended) == 2


def test_env_file_is_read_once_for_the_same_bytes(tmp_path: Path) -> None:
    """Compose is asked once for equal env file bytes at any path; another byte or value asks again."""
    heard = Heard()
    said = '{"services": {"values": {"environment": {"IMAGE_TAG": "v1"}}}}'
    found = production(tmp_path, heard, {"config --format json": said})
    path, copy = tmp_path / ".env", tmp_path / "kept.env"
    for each in (path, copy):
        each.write_bytes(b"IMAGE_TAG=v1\n")
    env_file = EnvFileOnHost(found, str(path), Redactor(), ())
    first = env_file.read()
    assert env_file.read() == first
    assert env_file.at(str(copy)).read().values == first.values
    assert env_file._asked(str(path), names_in(first.content), first.content) == first.values
    assert len(heard.ended) == 1
    path.write_bytes(b"IMAGE_TAG=v1\n\n")
    env_file.read()
    assert len(heard.ended) == 2
    env_file.values_if(first, "IMAGE_TAG", "v2")
    assert len(heard.ended) == 3


def test_looks_of_an_incident_begin_anew(tmp_path: Path) -> None:
    """The engine is asked once per image within a step's look, and again in the next step."""
    engine = FakeEngine(images={"shop/api:v1": {"Id": "sha256:1", "RepoDigests": None}})
    found = incident(tmp_path)
    made = production(tmp_path, found, engine=engine)
    made.remembered.within_looks = True
    found.look_anew = made.remembered.forget
    found.step_began({"id": "1.1.1", "keyword": "Given", "text": "x"})
    assert (made.image_id("shop/api:v1"), made.digests_of("shop/api:v1")) == ("sha256:1", [])
    assert engine.asked.count("/images/shop/api:v1/json") == 1
    found.step_ended()
    found.step_began({"id": "1.1.2", "keyword": "Given", "text": "x"})
    assert made.image_id("shop/api:v1") == "sha256:1"
    assert engine.asked.count("/images/shop/api:v1/json") == 2
