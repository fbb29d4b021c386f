"""The answers with data at a switch's URLs, against a real server."""

import threading

import pytest

from runbook.production.service import data_watch
from runbook.production.service.data_watch import DataWatch
from tests.support.parts import Asked, Reply, serving


def test_answers_with_data_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only 2xx answers with a body count as data, and the time of the last one is reported."""
    monkeypatch.setattr(data_watch, "_EVERY", 0.01)
    login = Reply(302, b"<html>sign in</html>", {"Location": "/login"})
    given = iter([Reply(200, b"id,total\n1,2\n"), Reply(200), Reply(500, b"broken"), Reply(204), login])
    enough = threading.Event()

    def answer(asked: Asked) -> Reply:
        assert asked.headers["authorization"] == "Bearer t"
        reply = next(given, None)
        if reply is None:
            enough.set()
        return reply or Reply(404, b"disabled")

    with serving(answer) as server:
        watch = DataWatch([f"{server.url}/exports"], {"Authorization": "Bearer t"}, 5)
        assert watch.words == ""
        with watch.watching():
            assert enough.wait(10)
    assert watch.words.startswith("1 of ")
    assert "answers had data while the switch was set, the last one at 20" in watch.words


def test_no_answer_is_no_data() -> None:
    """A request without an answer is no data, and does not stop the change."""
    watch = DataWatch(["http://127.0.0.1:9/exports"], {}, 5)
    with watch.watching():
        pass
    assert "last" not in watch.words


@pytest.mark.parametrize("token", ["s3cr3t-4711\n", "s3cr3t-4711é"], ids=ascii)
def test_token_that_cannot_be_sent_is_shown_nowhere(token: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A token that cannot be sent is shown nowhere, not even in a thread's traceback on the terminal."""
    with serving(lambda _asked: Reply(200, b"data")) as server:
        watch = DataWatch([server.url], {"Authorization": f"Bearer {token}"}, 5)
        with watch.watching():
            pass
    assert watch.words == ""
    assert capfd.readouterr().err == ""
