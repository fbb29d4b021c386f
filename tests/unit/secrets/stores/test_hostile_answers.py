"""Wrong answers in place of a store's: from other servers, from broken ones, and without an end."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from runbook.errors import CommandSaidTooMuch, Inconclusive, RunbookError, SettingsError, StoreError
from runbook.hosts.command import Command
from runbook.secrets.stores import store as limits
from runbook.secrets.stores.aws import client, tool
from runbook.secrets.stores.commands import Commands
from runbook.secrets.stores.host_file import HostFile
from runbook.secrets.stores.parameter_store import ParameterStore
from runbook.secrets.stores.secrets_manager import SecretsManager
from runbook.secrets.stores.store import Store, with_member
from runbook.secrets.stores.vault import Vault
from runbook.settings.secret_source import SecretSource
from runbook.settings.stores import AwsSettings, VaultSettings
from tests.support.parts import Asked, Reply, host, serving

PAGE = b"<html><title>Sign in</title>" + b"<p>please</p>" * 10_000 + b"</html>"


def ssm(url: str) -> Store:
    settings = AwsSettings(region="eu-central-1", endpoint_url=url)
    return ParameterStore("/shop/MODE", client("ssm", settings, 0.5), 0.5, tool=tool(settings))


def manager(url: str) -> Store:
    settings = AwsSettings(region="eu-central-1", endpoint_url=url)
    return SecretsManager(
        "shop", "MODE", client("secretsmanager", settings, 0.5), 0.5, lambda _: None, tool=tool(settings)
    )


def vault(url: str, end: str = "") -> Store:
    settings = VaultSettings(address=url, token=SecretSource(env="VAULT_TOKEN"), namespace="team")
    return Vault("shop", "MODE", settings, 0.5, secret=lambda _: SecretStr(f"token-4711{end}"), learn=lambda _: None)


EVERY = pytest.mark.parametrize("opened", [ssm, manager, vault], ids=["ssm", "manager", "vault"])


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@EVERY
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(200, PAGE, {"Content-Type": "text/html"}), id="a-page"),
        pytest.param(Reply(200, b'{"data": {"data": null}, "Parameter": []}'), id="another-form"),
        pytest.param(Reply(200, b"[" * 2000), id="no-json"),
        pytest.param(Reply(200), id="nothing"),
        pytest.param(Reply(502, PAGE), id="gateway"),
        pytest.param(Reply(504, PAGE), id="gateway-late"),
        pytest.param(Reply(429, b""), id="too-many"),
        pytest.param(Reply(302, b"", {"Location": "https://127.0.0.1:9/login"}), id="redirect"),
    ],
)
def test_what_is_no_answer_of_the_store_is_inconclusive(opened: Callable[[str], Store], reply: Reply) -> None:
    """An answer that is not the store's is inconclusive, with a short message."""
    with serving(lambda _asked: reply) as server, pytest.raises(Inconclusive) as caught:
        opened(server.url).read()
    assert len(caught.value.seen) < 600


@EVERY
def test_refusal_by_a_page_is_short(opened: Callable[[str], Store]) -> None:
    """A firewall's page is not quoted in full."""
    with serving(lambda _asked: Reply(403, PAGE)) as server, pytest.raises(StoreError) as caught:
        opened(server.url).read()
    assert len(caught.value.seen) < 600


@contextmanager
def dripping() -> Iterator[str]:
    """Yield the URL of a server that sends one byte of its answer every 0.1 s, without end."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not over.wait(0.1):
                    connection.sendall(b" ")
            except OSError:
                return

    def accept(server: socket.socket) -> None:
        while True:
            try:
                threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


@EVERY
def test_answer_that_never_ends_is_given_up(opened: Callable[[str], Store]) -> None:
    """An answer that never ends is given up, although each read of a library gets a byte in time."""
    with dripping() as url:
        began = time.monotonic()
        with pytest.raises(Inconclusive, match="gave no answer: the answer was not complete after"):
            opened(url).read()
        assert time.monotonic() - began < 30


def test_token_goes_nowhere_else() -> None:
    """No redirect is followed, because the token would go to another server."""
    with serving(lambda _asked: Reply(200)) as other:

        def away(asked: Asked) -> Reply:
            return Reply(307, b"", {"Location": f"{other.url}{asked.path}"})

        with serving(away) as server, pytest.raises(Inconclusive, match=r"→ name the active server.*vault\.address"):
            vault(server.url).read()
        assert other.asked == []


@pytest.mark.parametrize("end", ["\n", "\x01", "é"], ids=ascii)
def test_token_that_cannot_be_sent(end: str) -> None:
    """A token that cannot be sent is reported by its source, before any request."""
    with serving(lambda _asked: Reply(200)) as server:
        told = pytest.raises(SettingsError, match=r"vault\.token cannot be sent.*variable VAULT_TOKEN")
        with told as caught:
            vault(server.url, end).read()
        assert "4711" not in str(caught.value)
        assert server.asked == []


def test_commands_ask_the_same_place() -> None:
    """Commands to type name the region, address and namespace, so they work as printed."""
    aws = tool(AwsSettings(region="eu-central-1", profile="on call", endpoint_url="https://vpce.example"))
    assert aws == ("aws", "--region", "eu-central-1", "--profile", "on call", "--endpoint-url", "https://vpce.example")
    assert tool(AwsSettings()) == ("aws",)
    place = "-address=https://vault.example -namespace=team -mount=secret shop"
    assert vault("https://vault.example").by_hand("off") == f"vault kv patch {place} MODE=off"
    with serving(lambda _asked: Reply(502)) as server:
        put = f"aws --region eu-central-1 --endpoint-url {server.url} ssm put-parameter --overwrite"
        assert ssm(server.url).by_hand("off") == f"{put} --name /shop/MODE --value off"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"MODE": "on"}', '{"MODE": "off"}'),
        (' {"rate" : 1.10,\n"MODE":"on" ,"n":123456789012345678901234567890.5}\n',
         ' {"rate" : 1.10,\n"MODE":"off" ,"n":123456789012345678901234567890.5}\n'),
        ('{"a": {"MODE": "on"}, "b": "}\\"MODE\\"", "MODE": ""}',
         '{"a": {"MODE": "on"}, "b": "}\\"MODE\\"", "MODE": "off"}'),
        ('{"M\\u004fDE": "on", "k": "\\u00e4"}', '{"M\\u004fDE": "off", "k": "\\u00e4"}'),
        ('{"MODE": "on", "x": 1, "MODE": "on"}', '{"MODE": "off", "x": 1, "MODE": "off"}'),
    ],
)  # fmt: skip
def test_other_members_of_a_secret_stay_to_the_byte(text: str, after: str) -> None:
    """Setting one member of a JSON secret keeps every other byte."""
    assert with_member(text, "MODE", "off", "x") == after


def test_huge_values_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value above the size limit is refused, from a command and from a file."""
    monkeypatch.setattr(limits, "MOST_BYTES", 1 << 20)
    command = Command(("yes",), 20, str(tmp_path))
    with pytest.raises(CommandSaidTooMuch):
        Commands(command, None, host()).read()
    (tmp_path / "big").write_bytes(os.urandom(1) * (2 << 20))
    with pytest.raises(RunbookError):
        HostFile(str(tmp_path / "big"), command, host()).read()


def test_change_whose_answer_is_lost_is_sent_once() -> None:
    """A change without an answer is sent once: a second version would look like somebody else's."""
    over = threading.Event()
    parameter = {"Name": "/shop/MODE", "Type": "String", "Value": "on", "Version": 1}
    answers = {"GetParameter": {"Parameter": parameter}, "DescribeParameters": {"Parameters": [{"Tier": "Standard"}]}}
    sent: list[str] = []

    def answer(asked: Asked) -> Reply:
        sent.append(asked.headers["x-amz-target"].partition(".")[2])
        if sent[-1] == "PutParameter":
            over.wait(20)
        return Reply(200, answers.get(sent[-1], {}))

    with serving(answer) as server:
        store = ssm(server.url)
        seen = store.read()
        with pytest.raises(Inconclusive):
            store.set("off", seen)
        over.set()
        assert sent.count("PutParameter") == 1
