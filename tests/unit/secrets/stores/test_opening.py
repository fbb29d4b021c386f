"""The store for each address, and the packages that are loaded for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from runbook.errors import SettingsError
from runbook.secrets.redactor import Redactor
from runbook.secrets.stores.opening import Stores
from runbook.secrets.stores.store import package
from runbook.settings.loading.loader import load
from runbook.settings.secret_source import SecretSource, StoreAddress
from runbook.settings.stores import SwitchStore
from tests.support.parts import SETTINGS, host
from tests.support.stores import ROOT_TOKEN, bao

LOGIN = '[vault]\naddress = "{url}"\ntoken = {{ env_file = "VAULT_TOKEN" }}\n'


def stores(folder: Path, text: str = "", redactor: Redactor | None = None) -> Stores:
    (folder / "runbook.toml").write_text(SETTINGS.replace('"/srv/shop"', f'"{folder}"') + text)
    settings = load(folder / "runbook.toml")
    return Stores(settings, host(), {"VAULT_TOKEN": ROOT_TOKEN}, redactor or Redactor())


def test_secret_of_the_runbook_from_vault(tmp_path: Path, openbao: str) -> None:
    """A secret is read from Vault with the login of the settings; other secrets beside it are learned."""
    bao(openbao, "POST", "secret/data/runbook", data={"METRICS_TOKEN": "token-4711", "DB_PASSWORD": "password-4711"})
    redactor = Redactor()
    source = SecretSource(vault="runbook", key="METRICS_TOKEN")
    found = source.resolve({}, stores(tmp_path, LOGIN.format(url=openbao), redactor).read)
    assert found.get_secret_value() == "token-4711"
    assert redactor.text("password-4711") == "[secret DB_PASSWORD]"


def test_secret_of_the_runbook_from_a_command(tmp_path: Path) -> None:
    """A command that prints a secret runs in the project's directory."""
    (tmp_path / "token").write_text("token-4711\n")
    assert stores(tmp_path).read(SecretSource(read=("cat", "token"))).get_secret_value() == "token-4711"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (SecretSource(ssm="/shop/TOKEN"), "/shop/TOKEN in AWS SSM Parameter Store"),
        (SecretSource(secrets_manager="shop"), "shop in AWS Secrets Manager"),
        (SecretSource(vault="shop", key="TOKEN"), "TOKEN of shop in Vault"),
        (SecretSource(read=("op", "read it")), "the output of `op 'read it'`"),
    ],
)
@pytest.mark.parametrize("value", ["", "\n"], ids=repr)
def test_empty_secret_of_a_store_counts_as_missing(source: SecretSource, place: str, value: str) -> None:
    """An empty secret in a store counts as missing, as in a file."""
    with pytest.raises(SettingsError) as caught:
        source.resolve({}, lambda _: SecretStr(value))
    assert caught.value.seen == f"no secret in {place}"
    assert source.resolve({}, lambda _: SecretStr("token-4711\n")).get_secret_value() == "token-4711"


def test_switch_in_a_file(tmp_path: Path) -> None:
    """A relative path counts from the project's directory."""
    (tmp_path / "export_mode").write_text("on\n")
    store = stores(tmp_path).open(SwitchStore(file="export_mode"))
    assert (store.name, store.read().value.get_secret_value()) == (f"the file {tmp_path}/export_mode", "on")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (SwitchStore(ssm="/shop/EXPORT_MODE"), "/shop/EXPORT_MODE in AWS SSM Parameter Store"),
        (StoreAddress(secrets_manager="shop", key="MODE"), "MODE of shop in AWS Secrets Manager"),
        (SwitchStore(read=("get",), set=("put",)), "the output of `get`"),
    ],
)
def test_every_kind(tmp_path: Path, address: StoreAddress, name: str) -> None:
    """Each address opens its kind of store."""
    assert stores(tmp_path, '[aws]\nregion = "eu-central-1"\n').open(address).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[switches.a]\nvariable="A"\npaths=["/a"]\nstore={ vault="shop", key="A" }\n', "no section [vault]"),
        ('[switches.a]\nvariable="A"\npaths=["/a"]\nstore={ vault="shop" }\n', "expected key beside vault"),
        ('[switches.a]\nvariable="A"\npaths=["/a"]\nstore={ read=["cat"] }\n', "both read and set"),
        ('[switches.a]\nvariable="A"\npaths=["/a"]\nstore={ ssm="/a", file="a" }\n', "exactly one of"),
        ('[vault]\naddress="https://vault.example"\n', "either token, or role_id and secret_id"),
        ('[vault]\naddress="https://vault.example"\ntoken={ vault="a", key="b" }\n', "cannot be in a store"),
    ],
)
def test_addresses_that_cannot_be_meant(tmp_path: Path, text: str, words: str) -> None:
    """An invalid store address is refused when the settings are loaded."""
    with pytest.raises(SettingsError) as caught:
        stores(tmp_path, text)
    assert words in str(caught.value)


def test_missing_package_is_named_with_its_command() -> None:
    """A missing Python package is named, with the command to install it."""
    with pytest.raises(SettingsError, match=r"needs the Python package nosuch\.part.*→ \.venv/bin/pip install nosuch"):
        package("nosuch.part")


def test_nothing_is_loaded_before_it_is_needed() -> None:
    """boto3 and hvac are not loaded at the start, because loading them is slow."""
    code = "import sys, runbook.chapters.context; print(sorted({'boto3', 'hvac'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
