"""Secrets Manager, against moto's server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runbook.errors import StoreError
from runbook.secrets.stores.secrets_manager import SecretsManager
from runbook.settings.stores import AwsSettings
from tests.unit.secrets.stores.conftest import as_others, client_of

NAME = "prod/shop"
CONTENT = {"EXPORT_MODE": "on", "DB_PASSWORD": "pässword-4711", "WORKERS": 4}


@pytest.fixture
def others(aws: AwsSettings) -> Iterator[Any]:
    """Yield somebody else's client. The secret has `CONTENT` when a test begins, and is deleted when it ends."""
    other = as_others("secretsmanager", aws)
    other.create_secret(Name=NAME, SecretString=json.dumps(CONTENT))
    yield other
    other.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)


def opened(aws: AwsSettings, key: str | None, learnt: dict[str, str] | None = None) -> SecretsManager:
    return SecretsManager(
        NAME, key, client_of("secretsmanager", aws, 5), 5, (learnt if learnt is not None else {}).update
    )


def test_one_key_is_set_and_the_others_stay(aws: AwsSettings, others: Any) -> None:
    """Setting one key keeps the others, and learns their values because they were read."""
    learnt: dict[str, str] = {}
    store = opened(aws, "EXPORT_MODE", learnt)
    seen = store.read()
    assert seen.value.get_secret_value() == "on"
    assert learnt == {"DB_PASSWORD": "pässword-4711"}
    store.set("off", seen)
    assert store.read().value.get_secret_value() == "off"
    now = others.get_secret_value(SecretId=NAME)
    assert json.loads(now["SecretString"]) == CONTENT | {"EXPORT_MODE": "off"}
    previous = others.get_secret_value(SecretId=NAME, VersionStage="AWSPREVIOUS")
    assert (previous["VersionId"], json.loads(previous["SecretString"])) == (seen.version, CONTENT)


def test_whole_secret(aws: AwsSettings, others: Any) -> None:
    """Without a key the whole secret is the value."""
    others.put_secret_value(SecretId=NAME, SecretString="on")
    store = opened(aws, None)
    store.set("off", store.read())
    assert others.get_secret_value(SecretId=NAME)["SecretString"] == "off"


def test_change_of_others_is_not_overwritten(aws: AwsSettings, others: Any) -> None:
    """Somebody else's change after the read is not overwritten."""
    store = opened(aws, "EXPORT_MODE")
    seen = store.read()
    others.put_secret_value(SecretId=NAME, SecretString=json.dumps(CONTENT | {"WORKERS": 8}))
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)
    assert json.loads(others.get_secret_value(SecretId=NAME)["SecretString"])["WORKERS"] == 8


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        ("pässword-4711", "EXPORT_MODE", "expected a JSON object"),
        (json.dumps(CONTENT), "EXPORTS", "the keys DB_PASSWORD, EXPORT_MODE, WORKERS"),
        (json.dumps(CONTENT), "WORKERS", "something that is not text"),
    ],
)
def test_what_is_not_as_the_settings_say(aws: AwsSettings, others: Any, content: str, key: str, words: str) -> None:
    """A secret without the expected form or key is reported with its keys, never with a value."""
    others.put_secret_value(SecretId=NAME, SecretString=content)
    with pytest.raises(StoreError, match=words) as caught:
        opened(aws, key).read()
    assert "4711" not in str(caught.value)


def test_missing_secret(aws: AwsSettings) -> None:
    """A missing secret is reported with AWS's error code."""
    with pytest.raises(StoreError, match=r"ResourceNotFoundException.*→ aws secretsmanager describe-secret"):
        opened(aws, None).read()
