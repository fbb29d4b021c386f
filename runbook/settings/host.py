"""The settings of the production host, or several: the address, and the environment of its commands."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runbook.settings.people import PathBeside
from runbook.settings.secret_source import Section
from runbook.settings.words import HostName, HttpUrl, VariableName

_EXPECTED = "expected ssh://USER@HOST or ssh://USER@HOST:PORT, as in ssh://deploy@shop-1"
# Neither may begin with a hyphen, because ssh would read it as an option.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?")


@dataclass(frozen=True)
class SshAddress:
    """A machine reached over SSH. Without `user` and `port`, ssh's configuration decides.

    >>> SshAddress.parse("ssh://deploy@[fd00::7]:2222")
    SshAddress(host='fd00::7', user='deploy', port=2222)
    """

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, written: str) -> "SshAddress":
        """Read an address from the settings. Raises ValueError, whose text never shows a password."""
        if any(sign.isspace() for sign in written):  # urlsplit removes some of them
            raise ValueError(f"it has a space or line break; {_EXPECTED}")
        try:
            parts = urlsplit(written)
            port = parts.port
        except ValueError:
            raise ValueError(f"the port or the brackets cannot be read; {_EXPECTED}") from None
        scheme = parts.scheme if "://" in written else ""
        if scheme != "ssh":
            raise ValueError(f"the scheme is {scheme!r}; {_EXPECTED}" if scheme else f"there is no scheme; {_EXPECTED}")
        if parts.password is not None:
            raise ValueError(f"it has a password, which ssh cannot use here (use a key); {_EXPECTED}")
        if parts.path or parts.query or parts.fragment or written.endswith(("?", "#")):
            raise ValueError(f"it has more after the host (the folder is project.directory); {_EXPECTED}")
        # urlsplit lowers the host's case, but `Host Shop-1` in ssh's configuration is case-sensitive.
        place = parts.netloc.rpartition("@")[2]
        host = place[1 : place.index("]")] if place.startswith("[") else place.partition(":")[0]
        if not _HOST.fullmatch(host):
            raise ValueError(f"the host is {host!r}; {_EXPECTED}" if host else f"there is no host; {_EXPECTED}")
        if "@" in parts.netloc and not _USER.fullmatch(parts.username or ""):
            raise ValueError(f"the user is {parts.username or ''!r}; {_EXPECTED}")
        if port == 0:
            raise ValueError(f"the port is 0; {_EXPECTED}")
        return cls(host, parts.username, port)

    def __str__(self) -> str:
        """Return it as written in the settings."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of an ssh command that select it."""
        port = ("-p", str(self.port)) if self.port else ()
        user = ("-l", self.user) if self.user else ()
        return (*port, *user, "--", self.host)


class HostSettings(Section):
    """The production host: its address, the environment of its commands, and the free space that it needs."""

    address: str | None = None
    ssh_config: PathBeside | None = None
    environment: dict[VariableName, str] = Field(default_factory=dict)
    minimum_free_gib: Annotated[float, Field(ge=0)] = 2.0

    @field_validator("address")
    @classmethod
    def _readable(cls, written: str | None) -> str | None:
        return None if written is None else str(SshAddress.parse(written))

    @property
    def over_ssh(self) -> SshAddress | None:
        """The machine to reach over SSH; None for the local machine."""
        return SshAddress.parse(self.address) if self.address else None


class OneHost(Section):
    """One of several hosts: its address, or a table with its address and the values that differ there."""

    address: str
    name: HostName = ""
    directory: PurePosixPath | None = None
    public_url: HttpUrl | None = None
    health_through: HttpUrl | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, which also allows the address as a string."""
        return {"anyOf": [{"type": "string"}, handler(core)]}

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_address(cls, given: Any) -> Any:
        found = {"address": given} if isinstance(given, str) else given
        if isinstance(found, dict) and isinstance(address := found.get("address"), str) and "name" not in found:
            try:
                return {"name": SshAddress.parse(address).host, **found}
            except ValueError:
                return {"name": "host", **found}  # the address has its own error
        return found

    @field_validator("address")
    @classmethod
    def _readable(cls, written: str) -> str:
        return str(SshAddress.parse(written))

    @field_validator("directory")
    @classmethod
    def _absolute(cls, directory: PurePosixPath | None) -> PurePosixPath | None:
        if directory is not None and not directory.is_absolute():
            raise ValueError("expected an absolute path on that host")
        return directory
