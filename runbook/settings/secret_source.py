"""Secret sources: the settings file names where a secret is, never the secret."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, model_validator

from runbook.errors import SettingsError

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, values cannot change later."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SecretSource(Section):
    """Exactly one of an environment variable (`env`), a `file`, or a key of the env file (`env_file`).

    >>> SecretSource(env="API_TOKEN").describe()
    'environment variable API_TOKEN'
    """

    env: VariableName | None = None
    file: Path | None = None
    env_file: VariableName | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(source is not None for source in (self.env, self.file, self.env_file)) != 1:
            raise ValueError('expected exactly one of { env = "NAME" }, { file = "PATH" }, { env_file = "KEY" }')
        return self

    def describe(self) -> str:
        """Return the place in words."""
        if self.env:
            return f"environment variable {self.env}"
        return f"file {self.file}" if self.file else f"{self.env_file} of the env file"

    def resolve(self, env_file: dict[str, str]) -> SecretStr:
        """Return the secret; `env_file` has the values of production's env file.

        Raises SettingsError when the place is empty or cannot be read.
        """
        value: str | None
        if self.file:
            try:
                value = self.file.read_text(encoding="utf-8").strip("\r\n")
            except OSError as error:
                raise SettingsError(
                    f"the secret in {self.describe()} cannot be read ({error.strerror})",
                    "put the secret there, readable by you alone (chmod 600)",
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
