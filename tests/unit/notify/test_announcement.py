"""The incident channel: what is announced arrives, and its address, which is a secret, is never shown."""

import base64
import json
import logging

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
    """An address that Apprise does not know is refused by the setting's name; the secret is printed nowhere."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SettingsError, match=r"announcement\.url names is no Apprise address") as caught:
        channel(address)
    shown = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert CANARY not in shown
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("query", ["", "?method=POST"], ids=["plain", "with-a-query"])
def test_announcement_arrives(query: str) -> None:
    """Title and text arrive as the bot of the address, and the receipt does not show that address."""
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


def test_announcement_reaches_people() -> None:
    """A plan shows the whole message and never sends it."""
    change = channel("json://127.0.0.1:1/").announcing("shop: rolled back", "to v1")
    assert change.scope is Scope.PEOPLE
    assert change.planned["message"] == {"title": "shop: rolled back", "text": "to v1"}


@pytest.mark.parametrize("status", [401, 404, 500])
def test_announcement_that_is_not_accepted_is_told(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A channel that refuses leaves people untold, and that is said without the address."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda _asked: Reply(status)) as server:
        there = channel(f"json://bot:{CANARY}@{server.url.removeprefix('http://')}/")
        with pytest.raises(Inconclusive, match="not accepted") as caught:
            send(there.announcing("a", "b"))
    assert "tell people by hand" in caught.value.next_step
    assert CANARY not in str(caught.value) + caplog.text


def test_channel_that_is_not_there_is_told() -> None:
    """A channel that nobody answers for leaves people untold as well."""
    with pytest.raises(Inconclusive, match="not accepted by the incident channel"):
        send(channel(f"json://bot:{CANARY}@127.0.0.1:1/").announcing("a", "b"))
