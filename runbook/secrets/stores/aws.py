"""Requests to AWS: one client per service, with deadlines, and its errors turned into the runbook's."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from runbook.errors import Inconclusive, StoreError
from runbook.hosts.in_time import within
from runbook.secrets.stores.store import UNREADABLE, package
from runbook.settings.stores import AwsSettings
from runbook.text import beginning

# botocore's debug output has the answers, which contain secrets.
logging.getLogger("botocore").setLevel(logging.CRITICAL)

#: The AWS CLI, with which a person does the same.
TOOL = ("aws",)
_BUSY = ("ThrottlingException", "TooManyUpdates", "RequestLimitExceeded")
_REFUSED, _TOO_MANY = range(400, 500), 429
_NOT_AWS = "the answer cannot be read; it may not be from AWS"
_LONGEST = 300  # characters of AWS's message; a proxy may send a whole page

_Found = TypeVar("_Found")


def client(service: str, settings: AwsSettings, deadline: float) -> Any:
    """Return boto3's client for `service`. `deadline` is the time limit of one answer, in seconds.

    Raises SettingsError when boto3 is not installed, and StoreError when the region or the profile is missing.
    """
    boto3, config = package("boto3"), package("botocore.config")

    def made() -> Any:
        session = boto3.session.Session(profile_name=settings.profile, region_name=settings.region)
        return session.client(
            service,
            endpoint_url=settings.endpoint_url,
            config=config.Config(
                connect_timeout=deadline,
                read_timeout=deadline,
                # No retries: after a lost answer a retry would make the change twice.
                retries={"total_max_attempts": 1},
                proxies={},  # not the shell's proxies, like all requests
            ),
        )

    return _told(f"AWS {service}", "set region (and profile) under [aws] in the settings", made)


def tool(settings: AwsSettings) -> tuple[str, ...]:
    """Return the beginning of an AWS CLI command for the same account, region and endpoint."""
    given = {"region": settings.region, "profile": settings.profile, "endpoint-url": settings.endpoint_url}
    return (*TOOL, *(word for name, value in given.items() if value for word in (f"--{name}", value)))


def ask(name: str, next_step: str, deadline: float, call: Callable[[], _Found]) -> _Found:
    """Return the result of `call`, within `deadline` seconds.

    Raises Inconclusive without a readable answer, and StoreError when AWS refuses.
    """
    try:
        return _told(name, next_step, lambda: within(deadline, call))
    except TimeoutError as error:
        raise Inconclusive(f"{name}: AWS gave no answer: {error}", next_step) from None
    except UNREADABLE:
        raise Inconclusive(f"{name}: {_NOT_AWS}", next_step) from None


def _told(name: str, next_step: str, call: Callable[[], _Found]) -> _Found:
    """Turn boto3's errors into Inconclusive (no answer) and StoreError (refused), with the next step."""
    errors, parsers = package("botocore.exceptions"), package("botocore.parsers")
    try:
        return call()
    except errors.ClientError as error:
        code, status = error.response["Error"].get("Code", ""), error.response["ResponseMetadata"]["HTTPStatusCode"]
        said = beginning(str(error.response["Error"].get("Message", "")), _LONGEST)
        seen = f"{name}: AWS answers {code}: {said}"
        if status not in _REFUSED or status == _TOO_MANY or code in _BUSY:
            raise Inconclusive(seen, next_step) from None
        raise StoreError(seen, next_step) from None
    except parsers.ResponseParserError:
        raise Inconclusive(f"{name}: {_NOT_AWS}", next_step) from None
    except (errors.ConnectionError, errors.HTTPClientError) as error:
        raise Inconclusive(f"{name}: AWS gave no answer: {error}", next_step) from None
    except errors.BotoCoreError as error:
        raise StoreError(f"{name}: AWS was not asked: {error}", next_step) from None
