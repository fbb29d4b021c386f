"""Vault's key-value engine version 2, against a real OpenBao."""

import os
import shlex
import socket
import subprocess

import pytest
from pydantic import SecretStr

from runbook.errors import Inconclusive, StoreError
from runbook.secrets.stores.vault import Vault
from runbook.settings.secret_source import SecretSource
from runbook.settings.stores import VaultSettings
from tests.support.stores import ROOT_TOKEN, bao, beside_python

CONTENT = {"EXPORT_MODE": "on", "DB_PASSWORD": "password-4711"}
TOKEN = SecretSource(env="VAULT_TOKEN")
DATA = "secret/data/shop"


def opened(url: str, token: str = ROOT_TOKEN, key: str = "EXPORT_MODE", **settings: object) -> Vault:
    """Return the store for a key of the secret `shop`, with `token` or the login in `settings`."""
    given = {"address": url, "token": None if "role_id" in settings else TOKEN} | settings
    learnt: dict[str, str] = {}
    store = Vault(
        "shop", key, VaultSettings.model_validate(given), 5, secret=lambda _: SecretStr(token), learn=learnt.update
    )
    store.learnt = learnt
    return store


@pytest.fixture
def shop(openbao: str) -> str:
    """The address of an OpenBao where `shop` has `CONTENT`, in version 1."""
    bao(openbao, "DELETE", "secret/metadata/shop")
    bao(openbao, "POST", DATA, data=CONTENT)
    return openbao


def limited(url: str, capabilities: str, **more: object) -> str:
    """Return a token that has only these capabilities for the secret."""
    bao(url, "PUT", "sys/policies/acl/limited", policy=f'path "{DATA}" {{ capabilities = [{capabilities}] }}')
    token: str = bao(url, "POST", "auth/token/create", policies=["limited"], **more)["auth"]["client_token"]
    return token


def test_one_key_is_set_and_the_others_stay(shop: str) -> None:
    """Setting one key keeps the others and learns their values; Vault keeps the version before."""
    store = opened(shop)
    seen = store.read()
    assert (seen.value.get_secret_value(), seen.version) == ("on", "1")
    assert store.learnt == {"DB_PASSWORD": "password-4711"}
    store.set("off", seen)
    assert store.read().value.get_secret_value() == "off"
    assert bao(shop, "GET", DATA)["data"]["data"] == CONTENT | {"EXPORT_MODE": "off"}
    assert bao(shop, "GET", f"{DATA}?version=1")["data"]["data"] == CONTENT


def test_change_of_others_is_not_overwritten(shop: str) -> None:
    """Somebody else's change after the read is not overwritten."""
    store = opened(shop)
    seen = store.read()
    bao(shop, "POST", DATA, data=CONTENT | {"NEW": "key"})
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)


def test_change_in_the_same_moment_is_refused_by_vault(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change between our read and our write makes Vault's check-and-set refuse the write."""
    store = opened(shop)
    seen, get = store.read(), store._get

    def meanwhile() -> tuple[dict[str, object], str]:
        found = get()
        bao(shop, "POST", DATA, data=CONTENT | {"NEW": "key"})
        return found

    monkeypatch.setattr(store, "_get", meanwhile)
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)
    assert bao(shop, "GET", DATA)["data"]["data"]["EXPORT_MODE"] == "on"


@pytest.mark.parametrize(("capabilities", "may"), [('"read"', False), ('"read", "update"', True)])
def test_permission_is_known_beforehand(shop: str, capabilities: str, *, may: bool) -> None:
    """The plan asks Vault for the token's permissions, and writes nothing for that."""
    store = opened(shop, limited(shop, capabilities))
    if may:
        assert store.settable() == "the token may set it"
        store.set("off", store.read())
    else:
        with pytest.raises(StoreError, match=r"saw one that may read → add to its policy"):
            store.settable()
        with pytest.raises(StoreError, match="permission denied"):
            store.set("off", store.read())
    assert store.read().version == ("2" if may else "1")


def test_permission_that_is_not_told(shop: str) -> None:
    """If the token may not ask for its permissions, they are unknown, which is no refusal."""
    store = opened(shop, limited(shop, '"read", "update"', no_default_policy=True))
    assert "does not tell" in store.settable()
    store.set("off", store.read())


def test_approle(shop: str) -> None:
    """Role ID and secret ID give a token, which is learned; a wrong secret ID is refused and not shown."""
    if "approle/" not in bao(shop, "GET", "sys/auth"):
        bao(shop, "POST", "sys/auth/approle", type="approle")
    bao(shop, "PUT", "sys/policies/acl/limited", policy=f'path "{DATA}" {{ capabilities = ["read", "update"] }}')
    bao(shop, "POST", "auth/approle/role/runbook", token_policies=["limited"])
    role = bao(shop, "GET", "auth/approle/role/runbook/role-id")["data"]["role_id"]
    secret = bao(shop, "POST", "auth/approle/role/runbook/secret-id")["data"]["secret_id"]
    store = opened(shop, secret, role_id=role, secret_id=TOKEN)
    store.set("off", store.read())
    assert store.read().value.get_secret_value() == "off"
    assert store.learnt["VAULT_TOKEN"] != secret
    with pytest.raises(StoreError, match="refuses") as caught:
        opened(shop, "wrong-4711", role_id=role, secret_id=TOKEN).read()
    assert "4711" not in str(caught.value)


def test_namespace(shop: str) -> None:
    """The same path in another namespace is another secret."""
    bao(shop, "POST", "sys/namespaces/team")
    bao(shop, "POST", "sys/mounts/kv/deep", namespace="team", type="kv", options={"version": "2"})
    bao(shop, "POST", "kv/deep/data/shop", namespace="team", data={"EXPORT_MODE": "team"})
    store = opened(shop, namespace="team", mount="kv/deep")
    assert store.read().value.get_secret_value() == "team"


@pytest.mark.parametrize(
    ("token", "key", "settings", "words"),
    [
        pytest.param("wrong-4711", "EXPORT_MODE", {}, "permission denied", id="token"),
        pytest.param(ROOT_TOKEN, "EXPORTS", {}, "saw the keys DB_PASSWORD, EXPORT_MODE", id="key"),
        pytest.param(ROOT_TOKEN, "EXPORT_MODE", {"mount": "kv"}, "no such secret in the engine kv", id="mount"),
    ],
)
def test_what_is_not_as_the_settings_say(
    shop: str, token: str, key: str, settings: dict[str, object], words: str
) -> None:
    """A wrong token, key or mount is reported, never with a value."""
    with pytest.raises(StoreError, match=words) as caught:
        opened(shop, token, key, **settings).read()
    assert "4711" not in str(caught.value)


def test_command_to_be_typed_works_as_typed(shop: str) -> None:
    """The command to type works in OpenBao's own tool, with a person's token."""
    store = opened(shop)
    argv = [beside_python("bao"), *shlex.split(store.by_hand("off"))[1:]]
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "BAO_TOKEN": ROOT_TOKEN})
    assert store.read().value.get_secret_value() == "off"
    assert bao(shop, "GET", DATA)["data"]["data"] == CONTENT | {"EXPORT_MODE": "off"}


def test_deleted_version_is_told_as_such(shop: str) -> None:
    """A deleted version is reported with the command to restore it, a destroyed one as destroyed."""
    bao(shop, "POST", DATA, data=CONTENT)
    bao(shop, "DELETE", DATA)
    undelete = (
        rf"newest version, 2, was deleted at 20.* → vault kv undelete -versions=2 -address={shop} -mount=secret shop"
    )
    with pytest.raises(StoreError, match=undelete):
        opened(shop).read()
    bao(shop, "PUT", "secret/destroy/shop", versions=[2])
    with pytest.raises(StoreError, match=r"newest version, 2, was destroyed → vault kv metadata get -address"):
        opened(shop).read()


def test_no_answer_is_inconclusive() -> None:
    """A server that is down or never answers is inconclusive, not a missing value."""
    with pytest.raises(Inconclusive, match=r"gave no answer: ConnectionError → vault status"):
        opened("http://127.0.0.1:9").read()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = opened(f"http://127.0.0.1:{silent.getsockname()[1]}")
        store._deadline = 0.2
        with pytest.raises(Inconclusive, match="gave no answer: ReadTimeout"):
            store.read()
