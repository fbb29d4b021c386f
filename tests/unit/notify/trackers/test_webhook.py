"""The follow-up ticket sent to a web hook."""

import json
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import Inconclusive
from runbook.notify.trackers.webhook import WebhookTracker
from runbook.polling import wait_for
from runbook.secrets.redactor import Redactor
from tests.support.parts import Reply, asking, serving

INCIDENT = "20251218T030000Z-shop-rollback"
TICKET = {"incident": INCIDENT, "title": "Forward-fix", "text": "It failed."}


@pytest.mark.parametrize(
    ("reply", "address"),
    [
        (Reply(204), "webhook"),
        (Reply(201, {"url": "https://desk.example/7"}), "https://desk.example/7"),
        (Reply(200, {"url": 7}), "webhook"),
        (Reply(202, b"taken"), "webhook"),
    ],
)
def test_ticket_is_taken(reply: Reply, address: str) -> None:
    """Any 2xx answer accepts the ticket, and may give its address."""
    with serving(lambda _asked: reply) as server, asking() as http:
        hook = WebhookTracker(http, SecretStr(f"{server.url}/canary"), SecretStr("token"), lambda: None)
        assert hook.create(INCIDENT, "Forward-fix", "It failed.") == address
    assert json.loads(server.asked[0].body) == TICKET
    assert server.asked[0].headers["authorization"] == "Bearer token"
    assert server.asked[0].headers["idempotency-key"] == INCIDENT


@pytest.mark.parametrize("status", [301, 400, 500])
def test_ticket_that_is_not_taken_is_told(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Any other answer is an error. The secret address is neither shown nor logged."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda _asked: Reply(status)) as server, asking() as http:
        hook = WebhookTracker(http, SecretStr(f"{server.url}/canary"), None, lambda: None)
        with pytest.raises(Inconclusive, match=f"answered {status} where 200 to 299") as caught:
            hook.create(INCIDENT, "x", "y")
    assert "canary" not in str(caught.value) + caplog.text
    assert "authorization" not in server.asked[0].headers


def test_journal_remembers_what_cannot_be_asked() -> None:
    """A ticket is looked up in the journal, because a web hook cannot be asked."""
    known: list[Any] = [None]
    with asking() as http:
        hook = WebhookTracker(http, SecretStr("http://127.0.0.1:1/"), None, lambda: known[0])
        assert not wait_for(hook.listed(INCIDENT)).seen.ok
        known[0] = "webhook"
        assert wait_for(hook.listed(INCIDENT)).seen.ok
        assert hook.opening(INCIDENT, "x", "y", known.append).already() == "ticket webhook"


def test_address_is_struck_out_however_http_writes_it() -> None:
    """The address is redacted even in the normalised form that the HTTP library writes."""
    redactor = Redactor()
    with serving(lambda _asked: Reply(200, b"<html>")) as server, asking() as http:
        secret = f"{server.url.replace('127.0.0.1', 'LOCALHOST')}/x/../canary-4711"
        redactor.learn("ticket address", secret)
        answer = http.send("POST", secret, body={})
        with pytest.raises(Inconclusive) as caught:
            answer.json()
    assert "canary" not in redactor.text(f"{answer.url} {caught.value}")
