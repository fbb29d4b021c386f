"""The settings of secret stores: their addresses and logins, and the place of a kill switch's value."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from runbook.settings.secret_source import Argv, SecretSource, Section, StoreAddress
from runbook.settings.words import HttpUrl, Word


class AwsSettings(Section):
    """AWS, for SSM Parameter Store and Secrets Manager. Credentials are found as by the AWS CLI."""

    region: Word | None = None
    profile: Word | None = None
    endpoint_url: HttpUrl | None = None


class VaultSettings(Section):
    """HashiCorp Vault or OpenBao, with a version 2 key-value engine at `mount`."""

    address: HttpUrl
    mount: Word = "secret"
    namespace: Word | None = None
    ca_file: Path | None = None
    token: SecretSource | None = None
    role_id: Word | None = None
    secret_id: SecretSource | None = None
    approle_mount: Word = "approle"

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.token) == bool(self.role_id) or bool(self.role_id) != bool(self.secret_id):
            raise ValueError("expected either token, or role_id and secret_id")
        login = self.token or self.secret_id
        if login is not None and login.in_store:
            raise ValueError(
                "expected token or secret_id in env, file or env_file: a store's login cannot be in a store"
            )
        return self


class SwitchStore(StoreAddress):
    """The place of a kill switch's value, if not only in the env file: a secret store, or a `file` on the host.

    `set` goes with `read`: a command that takes the new value on standard input.
    """

    file: Word | None = None
    set: Argv | None = None

    @classmethod
    def _places(cls) -> tuple[str, ...]:
        return ("file", *super()._places())

    @model_validator(mode="after")
    def _set_and_read(self) -> Self:
        if (self.set is None) != (self.read is None):
            raise ValueError("expected both read and set, or neither")
        return self
