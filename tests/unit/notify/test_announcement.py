"""The incident channel: announcements arrive, and the secret address is never shown."""

import base64
import contextlib
import json
import logging
import socket
import threading

import pytest
from pydantic import SecretStr

from runbook.actions import Action, Scope
from runbook.errors import Inconclusive, SettingsError
from runbook.notify.announcement import Channel
from tests.support.parts import Reply, serving

CANARY = "canary-4711"


def channel(address: str) -> Channel:
    return Channel(SecretStr(address), 2.0)


def send(change: Action) -> str:
    assert change.commands == ()
    assert change.message is not None
    return change.message.send()


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{CANARY}", id="no-address"),
        pytest.param(f"nosuchchat://{CANARY}", id="chat-that-apprise-does-not-know"),
        pytest.param(f"slack://{CANARY}", id="slack-with-too-little"),
        pytest.param(f"https://hooks.example/{CANARY}", id="web-hook-of-no-chat"),
    ],
)
def test_wrong_address_is_refused_without_showing_it(
    address: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An invalid address is refused with the setting's name. The secret is printed nowhere."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SettingsError, match=r"announcement\.url names is not an Apprise address") as caught:
        channel(address)
    shown = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert CANARY not in shown
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("query", ["", "?method=POST", "\n"], ids=["plain", "with-a-query", "with-a-line-break"])
def test_announcement_arrives(query: str, caplog: pytest.LogCaptureFixture) -> None:
    """Title and text arrive, with the credentials of the address. Neither receipt nor log shows the address."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda _asked: Reply(200)) as server:
        there = channel(f"json://bot:{CANARY}@{server.url.removeprefix('http://')}/announce{query}")
        change = there.announcing("shop: rolled back", "to v1\nat 03:00 <b>now</b>")
        receipt = send(change)
    said = json.loads(server.asked[0].body)
    assert (said["title"], said["message"]) == ("shop: rolled back", "to v1\nat 03:00 <b>now</b>")
    assert server.asked[0].path == "/announce"
    assert base64.b64decode(server.asked[0].headers["authorization"].removeprefix("Basic ")) == f"bot:{CANARY}".encode()
    assert "shop: rolled back" in receipt
    assert CANARY not in receipt + str(change.planned)
    assert "/announce" not in caplog.text


def test_announcement_reaches_people() -> None:
    """A plan shows the whole message. Announcing has the scope "people"."""
    change = channel("json://127.0.0.1:1/").announcing("shop: rolled back", "to v1")
    assert change.scope is Scope.PEOPLE
    assert change.planned["message"] == {"title": "shop: rolled back", "text": "to v1"}


@pytest.mark.parametrize("status", [401, 404, 500])
def test_announcement_that_is_not_accepted_is_told(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A refused message is an error with a next step, without the address."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda _asked: Reply(status)) as server:
        there = channel(f"json://bot:{CANARY}@{server.url.removeprefix('http://')}/")
        with pytest.raises(Inconclusive, match="not accepted") as caught:
            send(there.announcing("a", "b"))
    assert "tell people by hand" in caught.value.next_step
    assert CANARY not in str(caught.value) + caplog.text


def test_channel_that_is_not_there_is_told() -> None:
    """A channel that does not answer is an error."""
    with pytest.raises(Inconclusive, match="not accepted by the incident channel"):
        send(channel(f"json://bot:{CANARY}@127.0.0.1:1/").announcing("a", "b"))


def test_redirect_is_no_receipt() -> None:
    """A redirect counts as not accepted and is not followed, because the page behind it proves nothing."""
    with serving(lambda _asked: Reply(200, b"please sign in")) as login:
        away = Reply(302, b"", {"Location": f"{login.url}/login"})
        with serving(lambda _asked: away) as server, pytest.raises(Inconclusive, match="not accepted"):
            send(channel(f"json://{server.url.removeprefix('http://')}/").announcing("a", "b"))
        assert login.asked == []


def test_long_message_is_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message above Discord's 2,000 characters is sent in parts, with the journal head in the last one."""
    head = "f" * 64
    text = "\n".join(["It is so."] * 500 + [f"journal head {head}"])
    with serving(lambda _asked: Reply(204)) as server:
        monkeypatch.setattr("apprise.plugins.discord.NotifyDiscord.notify_url", f"{server.url}/hooks")
        monkeypatch.setattr("apprise.plugins.discord.NotifyDiscord.request_rate_per_sec", 0)
        send(channel(f"discord://{'1' * 18}/{CANARY}").announcing("shop: rolled back", text))
    sent = [json.loads(asked.body) for asked in server.asked]
    assert len(sent) > 1
    assert all(len(each["content"]) <= 2000 for each in sent)
    assert head in sent[-1]["content"]


def test_channel_that_never_ends_its_answer_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """A channel that sends its answer byte by byte is given up after a deadline. The log shows no address."""
    caplog.set_level(logging.DEBUG)
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        with server.accept()[0] as connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.05):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        there = Channel(SecretStr(f"json://127.0.0.1:{server.getsockname()[1]}/{CANARY}"), 0.3)
        with pytest.raises(Inconclusive, match=r"gave no answer: .* not complete after 0\.9 s"):
            send(there.announcing("a", "b"))
        over.set()
    assert CANARY not in caplog.text
