"""AWS SSM Parameter Store: one parameter of any type, which keeps its type, key and tier."""

import shlex
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from runbook.errors import RunbookError, StoreError
from runbook.secrets.stores.aws import TOOL, ask
from runbook.secrets.stores.store import Found, changed

_REQUESTS = 3  # of one `set`


class ParameterStore:
    """One parameter (https://docs.aws.amazon.com/systems-manager/latest/APIReference/)."""

    def __init__(self, parameter: str, client: Any, deadline: float, *, tool: Sequence[str] = TOOL) -> None:
        """`client` is boto3's for `ssm`; `deadline` is the seconds for one answer; `tool` is the AWS CLI."""
        self.name = f"{parameter} in AWS SSM Parameter Store"
        self.longest = _REQUESTS * deadline
        self._parameter, self._tool = parameter, (*tool, "ssm")
        self._look = self._command("get-parameter-history")
        self._client, self._deadline = client, deadline

    def _command(self, *words: str) -> str:
        return shlex.join((*self._tool, *words, "--name", self._parameter))

    def read(self) -> Found:
        """Return the value, decrypted."""
        found = self._get()
        return Found(SecretStr(found["Value"]), str(found["Version"]))

    def _get(self) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            found = self._client.get_parameter(Name=self._parameter, WithDecryption=True)["Parameter"]
            return {name: found[name] for name in ("Value", "Version", "Type")}

        return ask(self.name, self._command("get-parameter"), self._deadline, call)

    def set(self, value: str, seen: Found) -> None:
        """Set it. AWS has no conditional update, so a change in the same moment is detected by its version afterwards.

        Raises StoreError for such a change.
        """
        now = self._get()
        if str(now["Version"]) != seen.version:
            raise changed(self.name, self._look)
        kept = self._kept(now["Type"])

        def call() -> int:
            answer = self._client.put_parameter(Name=self._parameter, Value=value, Overwrite=True, **kept)
            return int(answer["Version"])

        version = ask(self.name, self._put(value, kept), self._deadline, call)
        if version != now["Version"] + 1:
            raise StoreError(
                f"{self.name}: somebody else changed it at the same moment; version {version - 1} was overwritten",
                self._look,
            )

    def _kept(self, kind: str) -> dict[str, str]:
        # Without its key, a SecureString would be encrypted with the account's default key.
        asked = [{"Key": "Name", "Option": "Equals", "Values": [self._parameter]}]
        allow = f"allow ssm:DescribeParameters: without it the key of {self._parameter} would be lost"

        def call() -> dict[str, str]:
            pages = self._client.get_paginator("describe_parameters").paginate(ParameterFilters=asked)
            return next((each for page in pages for each in page["Parameters"]), {})

        try:
            found = ask(self.name, allow, self._deadline, call)
        except StoreError:
            found = {}
        if kind == "SecureString" and not found.get("KeyId"):
            raise StoreError(f"{self.name} is a SecureString, but AWS does not tell its encryption key", allow)
        return {"Type": kind} | {name: found[name] for name in ("KeyId", "Tier") if found.get(name)}

    def settable(self) -> str:
        """Check that its type and key are readable. AWS does not tell beforehand whether a parameter may be set."""
        kind = self._get()["Type"]
        self._kept(kind)
        return f"a {kind}; AWS does not tell beforehand whether it may be set"

    def by_hand(self, value: str) -> str:
        """Return the AWS CLI command. It keeps type, key and tier, as far as AWS tells them."""
        try:
            kept = self._kept(self._get()["Type"])
        except RunbookError:
            kept = {}
        return self._put(value, kept)

    def _put(self, value: str, kept: dict[str, str]) -> str:
        options = {"Type": "--type", "KeyId": "--key-id", "Tier": "--tier"}
        words = [word for name, option in options.items() if name in kept for word in (option, kept[name])]
        return f"{self._command('put-parameter', '--overwrite')} {shlex.join(('--value', value, *words))}"
