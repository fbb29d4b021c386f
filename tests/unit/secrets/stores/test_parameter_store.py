"""SSM Parameter Store, against moto's server."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from runbook.errors import Inconclusive, StoreError
from runbook.secrets.stores.aws import client
from runbook.secrets.stores.parameter_store import ParameterStore
from runbook.settings.stores import AwsSettings
from tests.unit.secrets.stores.conftest import as_others, client_of

NAME = "/shop/EXPORT_MODE"


def opened(aws: AwsSettings, name: str = NAME) -> ParameterStore:
    return ParameterStore(name, client_of("ssm", aws, 5), 5)


@pytest.fixture
def others(aws: AwsSettings) -> Iterator[Any]:
    """Yield somebody else's client. The parameter is `on` when a test begins, and is deleted when it ends."""
    other = as_others("ssm", aws)
    other.put_parameter(Name=NAME, Value="on", Type="SecureString", KeyId="alias/shop")
    yield other
    other.delete_parameter(Name=NAME)


def test_set_and_read_back(aws: AwsSettings, others: Any) -> None:
    """The value changes; the parameter's type and key stay."""
    store = opened(aws)
    seen = store.read()
    assert (seen.value.get_secret_value(), seen.version) == ("on", "1")
    store.set("off", seen)
    assert (store.read().value.get_secret_value(), store.read().version) == ("off", "2")
    kept = others.describe_parameters()["Parameters"][0]
    assert (kept["Type"], kept["KeyId"]) == ("SecureString", "alias/shop")


def test_change_of_others_is_not_overwritten(aws: AwsSettings, others: Any) -> None:
    """Somebody else's change after the read is not overwritten."""
    store = opened(aws)
    seen = store.read()
    others.put_parameter(Name=NAME, Value="maintenance", Overwrite=True)
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)
    assert store.read().value.get_secret_value() == "maintenance"


def test_change_in_the_same_moment_is_told(aws: AwsSettings, others: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that was overwritten unseen is reported with its version, because AWS takes no condition."""
    store = opened(aws)
    seen, kept = store.read(), store._kept

    def meanwhile(kind: str) -> dict[str, str]:
        others.put_parameter(Name=NAME, Value="maintenance", Overwrite=True)
        return kept(kind)

    monkeypatch.setattr(store, "_kept", meanwhile)
    with pytest.raises(StoreError, match="at the same moment; version 2 was overwritten"):
        store.set("off", seen)


def test_missing_parameter(aws: AwsSettings) -> None:
    """A missing parameter is reported with AWS's error code and the command that shows it."""
    with pytest.raises(StoreError, match=r"ParameterNotFound.*→ aws ssm get-parameter --name /shop/NONE"):
        opened(aws, "/shop/NONE").read()


def test_permission_is_not_known_beforehand(aws: AwsSettings, others: Any) -> None:  # noqa: ARG001
    """The plan says that AWS does not tell permissions beforehand; the command to type keeps type, key and tier."""
    assert "does not tell beforehand" in opened(aws).settable()
    by_hand = "aws ssm put-parameter --overwrite --name /shop/EXPORT_MODE --value off"
    by_hand += " --type SecureString --key-id alias/shop --tier Standard"
    assert opened(aws).by_hand("off") == by_hand


def test_no_answer_is_inconclusive(aws: AwsSettings) -> None:
    """If nothing listens, the result is inconclusive, not a missing value."""
    with pytest.raises(Inconclusive, match="AWS gave no answer"):
        opened(aws.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})).read()


def test_missing_credentials(aws: AwsSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing credentials, or no region, are reported before any request."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StoreError, match=re.escape("Unable to locate credentials")):
        ParameterStore(NAME, client("ssm", aws, 5), 5).read()
    with pytest.raises(StoreError, match="set region"):
        client("ssm", AwsSettings(), 5)
