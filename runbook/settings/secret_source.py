"""Secret sources: the settings file has the place of a secret, never the secret."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from runbook.errors import SettingsError
from runbook.settings.words import VariableName, Word

Argv = Annotated[tuple[Word, ...], Field(min_length=1)]


class Section(BaseModel):
    """A table of the settings file. Unknown keys are refused, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoreAddress(Section):
    """A value in a secret store: exactly one of `ssm`, `secrets_manager`, `vault` and `read`, a command that prints it.

    `key` is the member of a secret with several values.
    """

    ssm: Word | None = None
    secrets_manager: Word | None = None
    vault: Word | None = None
    read: Argv | None = None
    key: Word | None = None

    @property
    def kind(self) -> str:
        """The key that is set: the kind of the place."""
        return next(name for name in self._places() if getattr(self, name) is not None)

    @classmethod
    def _places(cls) -> tuple[str, ...]:
        return ("ssm", "secrets_manager", "vault", "read")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in self._places()) != 1:
            raise ValueError(f"expected exactly one of {', '.join(self._places())}")
        if (self.kind == "vault" and not self.key) or (self.key and self.kind not in ("vault", "secrets_manager")):
            raise ValueError("expected key beside vault, possible beside secrets_manager, and nowhere else")
        return self


class SecretSource(StoreAddress):
    """One of an environment variable (`env`), a `file`, a key of the env file (`env_file`), or a secret store's value.

    >>> SecretSource(env="API_TOKEN").describe()
    'environment variable API_TOKEN'
    """

    env: VariableName | None = None
    file: Path | None = None
    env_file: VariableName | None = None

    @classmethod
    def _places(cls) -> tuple[str, ...]:
        return ("env", "file", "env_file", *super()._places())

    @property
    def in_store(self) -> bool:
        """Whether it is in a secret store."""
        return self.kind in super()._places()

    def describe(self) -> str:
        """Return the place in words."""
        of = f"{self.key} of " if self.key else ""
        return {
            "env": f"environment variable {self.env}",
            "file": f"file {self.file}",
            "env_file": f"{self.env_file} of the env file",
            "ssm": f"{self.ssm} in AWS SSM Parameter Store",
            "secrets_manager": f"{of}{self.secrets_manager} in AWS Secrets Manager",
            "vault": f"{of}{self.vault} in Vault",
            "read": f"the output of `{shlex.join(self.read or ())}`",
        }[self.kind]

    def resolve(
        self, env_file: dict[str, str], ask_store: Callable[[StoreAddress], SecretStr] | None = None
    ) -> SecretStr:
        """Return the secret. `env_file` has the values of production's env file; `ask_store` reads a secret store.

        Raises SettingsError when the place is empty or cannot be read, and the errors of `ask_store`.
        """
        if self.in_store and ask_store is None:
            raise SettingsError(f"a secret is in a store ({self.kind}), which is not available here", "use env or file")
        value: str | None
        if self.in_store and ask_store:
            value = ask_store(self).get_secret_value().strip("\r\n")
        elif self.file:
            try:
                value = self.file.read_text(encoding="utf-8").strip("\r\n")
            except OSError as error:
                raise SettingsError(
                    f"the secret in {self.describe()} cannot be read ({error.strerror})",
                    "put the secret there, readable only by you (chmod 600)",
                ) from None
            except UnicodeDecodeError:
                raise SettingsError(
                    f"the secret in {self.describe()} is not text", "put it there as UTF-8 text, and nothing else"
                ) from None
        elif self.env:
            value = os.environ.get(self.env)
        else:
            value = env_file.get(self.env_file or "")
        if not value:
            raise SettingsError(
                f"no secret in {self.describe()}", "put it there, or name another place in the settings"
            )
        return SecretStr(value)
