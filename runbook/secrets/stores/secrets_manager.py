"""AWS Secrets Manager: a secret, or one key of a secret that is a JSON object."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from runbook.errors import StoreError
from runbook.secrets.stores.aws import TOOL, ask
from runbook.secrets.stores.store import Found, Learn, changed, member, members_of, with_member

_REQUESTS = 3  # of one `set`


class SecretsManager:
    """One secret (https://docs.aws.amazon.com/secretsmanager/latest/apireference/)."""

    def __init__(  # noqa: PLR0913 - the secret, the client, and who learns its values
        self, secret: str, key: str | None, client: Any, deadline: float, learn: Learn, *, tool: Sequence[str] = TOOL
    ) -> None:
        """`client` is boto3's for `secretsmanager`, with `deadline`. `learn` receives the other keys' values.

        `tool` is the beginning of an AWS CLI command.
        """
        self.name = f"{f'{key} of ' if key else ''}{secret} in AWS Secrets Manager"
        self.longest = _REQUESTS * deadline
        self._secret, self._key, self._learn, self._tool = secret, key, learn, (*tool, "secretsmanager")
        self._look = self._command("list-secret-version-ids")
        self._client, self._deadline = client, deadline

    def _command(self, *words: str) -> str:
        return shlex.join((*self._tool, *words, "--secret-id", self._secret))

    def read(self) -> Found:
        """Return the value of the current version."""
        text, version = self._current()
        if self._key is None:
            return Found(SecretStr(text), version)
        return Found(member(members_of(text, self.name), self._key, self.name, self._learn), version)

    def _current(self) -> tuple[str, str]:
        found = self._get("AWSCURRENT")
        if "SecretString" not in found:
            raise StoreError(f"{self.name}: expected a text, saw bytes", "name a secret that holds text")
        return str(found["SecretString"]), found["VersionId"]

    def _get(self, stage: str) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            found = self._client.get_secret_value(SecretId=self._secret, VersionStage=stage)
            return {**found, "VersionId": str(found["VersionId"])}

        return ask(self.name, self._command("describe-secret"), self._deadline, call)

    def set(self, value: str, seen: Found) -> None:
        """Set it. AWS has no conditional update, so a change in the same moment is detected by its version afterwards.

        Raises StoreError for such a change.
        """
        text, version = self._current()
        if version != seen.version:
            raise changed(self.name, self._look)
        new = value if self._key is None else with_member(text, self._key, value, self.name)

        def call() -> None:
            self._client.put_secret_value(SecretId=self._secret, SecretString=new)["VersionId"]

        ask(self.name, self.by_hand(value), self._deadline, call)
        if (before := self._get("AWSPREVIOUS")["VersionId"]) != seen.version:
            raise StoreError(
                f"{self.name}: somebody else changed it at the same moment; version {before} was overwritten",
                self._look,
            )

    def settable(self) -> str:
        """Say that AWS does not tell beforehand."""
        return "AWS does not tell beforehand whether it may be set"

    def by_hand(self, value: str) -> str:
        """Return the AWS CLI command. One key of several is changed with jq."""
        put = self._command("put-secret-value")
        if self._key is None:
            return f"{put} {shlex.join(('--secret-string', value))}"
        edit = f".SecretString | fromjson | .{json.dumps(self._key)} = {json.dumps(value)}"
        return f"{self._command('get-secret-value')} | jq {shlex.quote(edit)} | {put} --secret-string file:///dev/stdin"
