"""The secrets that the settings name are learned when a run begins, also those in a secret store."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from runbook.errors import CommandTimedOut, Inconclusive, RunbookError, StoreError
from runbook.secrets.known import learn_sources
from runbook.secrets.redactor import Redactor
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from runbook.settings.secret_source import StoreAddress
from tests.support.parts import SETTINGS

VAULT = '\n[vault]\naddress = "https://vault.example"\ntoken = { env = "VAULT_LOGIN" }\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("VAULT_LOGIN", "login-4711")
    text = SETTINGS.replace('{ env = "METRICS_TOKEN" }', '{ vault = "runbook", key = "METRICS_TOKEN" }')
    text = text.replace('{ env = "TICKET_TOKEN" }', '{ vault = "runbook", key = "TICKET_TOKEN" }')
    (tmp_path / "runbook.toml").write_text(text + VAULT)
    return load(tmp_path / "runbook.toml")


def test_store_is_asked_for_each(settings: Settings) -> None:
    """A store's values and the login are redacted; a missing value stops nothing."""
    redactor = Redactor()

    def ask(address: StoreAddress) -> SecretStr:
        if address.key == "METRICS_TOKEN":
            raise StoreError("no such key", "put it there")
        return SecretStr("ticket-4711")

    learn_sources(settings, {}, redactor, ask)
    assert redactor.text("ticket-4711 login-4711") == "[secret ticket token] [secret Vault login]"


@pytest.mark.parametrize("error", [Inconclusive, CommandTimedOut])
def test_store_that_gives_no_answer_is_asked_once(settings: Settings, error: type[RunbookError]) -> None:
    """A store without an answer is asked once, not for each secret, and the run begins."""
    asked: list[StoreAddress] = []

    def ask(address: StoreAddress) -> SecretStr:
        asked.append(address)
        raise error("no answer", "vault status")

    learn_sources(settings, {}, Redactor(), ask)
    assert len(asked) == 1
