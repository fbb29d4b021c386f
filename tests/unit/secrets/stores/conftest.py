"""One server of each kind for all tests of this folder."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from runbook.secrets.stores.aws import client
from runbook.settings.stores import AwsSettings
from tests.support.stores import moto_server, openbao_server


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    with moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def openbao() -> Iterator[str]:
    """The address of an OpenBao server."""
    with openbao_server() as url:
        yield url


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> AwsSettings:
    """The settings for AWS, with credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return AwsSettings(region="eu-central-1", endpoint_url=moto)


#: Cached, because creating a client takes as long as several tests.
client_of = cache(client)


@cache
def as_others(service: str, aws: AwsSettings) -> Any:
    """Return somebody else's client."""
    return boto3.client(service, region_name=aws.region, endpoint_url=aws.endpoint_url)
