"""The release snapshot: the configuration at a release's validation, kept beside the ledger on the host."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runbook.clock import utc_now
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.configuration import Configuration, Difference, How, Part, Value, whole_of
from runbook.production.docker_engine import FOLDER
from runbook.shared_state.host_file import HostFile
from runbook.shared_state.kept_files import remove_others

_FOLDER = "releases"
_MOST_BYTES = 8_000_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\.json")


class Kept(BaseModel):
    """The values of one part: in plain text, and secret ones as salted hashes."""

    model_config = ConfigDict(frozen=True)

    plain: dict[str, str] = Field(default_factory=dict)
    hashed: dict[str, str] = Field(default_factory=dict)


class ReleaseSnapshot(BaseModel):
    """The configuration of release `tag` at one moment, and the database's catalog, or why the catalog is unknown."""

    model_config = ConfigDict(frozen=True)

    format: Literal["release-snapshot/1"] = "release-snapshot/1"
    tag: str
    taken_at: str
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    configuration: dict[Part, Kept]
    catalog: tuple[tuple[str, ...], ...] | None = None
    catalog_unknown: str = ""
    #: The SHA-256 of the env file. Empty if no copies of it and of the Compose files are kept.
    env_file: str = ""
    copies_unknown: str = ""

    @classmethod
    def of(cls, tag: str, configuration: Configuration, catalog: Sequence[tuple[str, ...]] | str) -> Self:
        """Return the snapshot of a configuration and a catalog. A text as `catalog` is the reason why it is unknown."""
        salt = secrets.token_hex(16)
        told = {"catalog_unknown": catalog} if isinstance(catalog, str) else {"catalog": tuple(catalog)}
        kept = {
            part: Kept(
                plain={key: value.text for key, value in values.items() if not value.secret},
                hashed={key: _hash(salt, part, key, value) for key, value in values.items() if value.secret},
            )
            for part, values in configuration.items()
        }
        return cls(tag=tag, taken_at=utc_now(), salt=salt, configuration=kept, **told)

    @property
    def files(self) -> dict[str, str]:
        """The SHA-256 of each Compose file, by its path."""
        return self.configuration.get(Part.FILES, Kept()).plain

    @property
    def copies(self) -> list[str]:
        """The SHA-256 of each file with a kept copy."""
        return sorted({self.env_file, *self.files.values()}) if self.env_file else []

    def differences(self, now: Configuration) -> list[Difference]:
        """Return the differences between the snapshot and `now`, part by part. An added or removed service is one.

        Another version of Compose counts only with other differences, which it may explain.
        """
        found = [each for part in Part if part is not Part.VERSION for each in self._of_part(part, now.get(part, {}))]
        rendered = any(each.part is Part.RENDERED for each in found)
        version = self._of_part(Part.VERSION, now.get(Part.VERSION, {})) if rendered else ()
        return [*found, *version]

    def _of_part(self, part: Part, now: Mapping[str, Value]) -> Iterator[Difference]:
        kept = self.configuration.get(part, Kept())
        before = kept.plain.keys() | kept.hashed.keys()
        gone, new = _as_wholes(part, before - now.keys(), now), _as_wholes(part, now.keys() - before, before)
        yield from (Difference(part, key, How.REMOVED) for key in gone)
        yield from (Difference(part, key, How.ADDED) for key in new)
        for key in sorted(before & now.keys()):
            was, value = kept.plain.get(key), now[key]
            if was == value.text or kept.hashed.get(key) == _hash(self.salt, part, key, value):
                continue
            shown = was is not None and not value.secret and part is not Part.FILES
            yield Difference(part, key, How.CHANGED, *((was, value.text) if shown else ()))


def _as_wholes(part: Part, keys: Collection[str], others: Collection[str]) -> list[str]:
    """Return the keys, sorted. If a service has no key in `others`, the service replaces its keys."""
    if part is not Part.RENDERED:
        return sorted(keys)
    known = {whole_of(key) for key in others}
    return sorted({key if whole_of(key) in known else whole_of(key) for key in keys})


def _hash(salt: str, part: Part, key: str, value: Value) -> str:
    # The key is part of the hash, so that equal secrets have different hashes.
    text = f"{part}\0{key}\0{value.text}".encode("utf-8", errors="surrogatepass")
    return hmac.new(bytes.fromhex(salt), text, hashlib.sha256).hexdigest()


class ReleaseSnapshots:
    """`.runbook/releases/<tag>.json` on the production host, each of mode 600."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}/{_FOLDER}"

    def _file(self, tag: str) -> HostFile:
        return HostFile(self._production, _name(tag), private_up_to=_MOST_BYTES)

    def keep(self, snapshot: ReleaseSnapshot) -> tuple[dict[str, Any], tuple[Command, ...]]:
        """Return the file's members in the ledger, and the commands that write it.

        Raises Inconclusive when it is too large to be read again.
        """
        content = (json.dumps(snapshot.model_dump(), sort_keys=True, indent=1) + "\n").encode("ascii")
        if len(content) > _MOST_BYTES:
            raise Inconclusive(
                f"the release snapshot of {snapshot.tag} has {len(content)} bytes, but at most {_MOST_BYTES} are kept",
                "check the output of `docker compose config`",
            )
        told: dict[str, Any] = {"file": _name(snapshot.tag), "sha256": hashlib.sha256(content).hexdigest()}
        if snapshot.copies:
            told["copies"] = snapshot.copies
        return told, self._file(snapshot.tag).write_commands(content)

    def remove_others(self, tags: Collection[str]) -> tuple[Command, ...]:
        """Return the commands that remove the snapshots of all releases except `tags`."""
        wanted = {_name(tag).partition("/")[2] for tag in tags}
        return remove_others(self._production, self._folder, _FILE, wanted)

    def read(self, tag: str, told: Any) -> ReleaseSnapshot:
        """Return the snapshot in the ledger's members `told`. Raises Inconclusive when it is missing, or differs."""
        file = self._file(tag)
        again = f"the next validation of {tag} keeps a new one: run `pytest features -m post_deploy` then"
        if not isinstance(told, Mapping) or not isinstance(told.get("sha256"), str):
            why = told.get("unknown") if isinstance(told, Mapping) else None
            because = f": {why}" if isinstance(why, str) else ""
            raise Inconclusive(f"no release snapshot was kept when {tag} was validated{because}", again)
        text = file.read_text()
        if text is None:
            raise Inconclusive(f"{file.path} does not exist, but the ledger names it", again)
        if hashlib.sha256(text.encode()).hexdigest() != told["sha256"]:
            raise Inconclusive(f"{file.path} is not the file that the ledger names: its SHA-256 differs", again)
        try:
            return ReleaseSnapshot.model_validate_json(text)
        except ValidationError as error:
            raise Inconclusive(
                f"{file.path} cannot be read as a release snapshot: {error.error_count()} members are not as expected",
                again,
            ) from None


def _name(tag: str) -> str:
    return f"{_FOLDER}/{tag}.json"
