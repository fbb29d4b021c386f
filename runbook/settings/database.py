"""The part of the settings that is about the schema: the database, and the application's migrations."""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, field_validator, model_validator

from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.words import Identifier, Seconds, UrlPath, Word

#: Replaced by the revision in the application's own commands.
REVISION = "{revision}"
_Argv = tuple[Word, ...]


class DatabaseSettings(Section):
    """The PostgreSQL database: a service of the project, asked inside its container, or one elsewhere, at `url`.

    `hosts` says whether several hosts share it, or have one each.
    """

    service: Word = "db"
    user: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    name: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    url: SecretSource | None = None
    image: Word | None = None
    version_table: Identifier = "alembic_version"
    version_schema: Identifier | None = None
    dump_directory: UrlPath = "/tmp"  # noqa: S108 - inside the database's container
    lock_timeout: Seconds = 10.0
    statement_timeout: Seconds = 300.0
    hosts: Literal["shared", "each"] | None = None

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        inside = self.model_fields_set & {"service", "user", "name", "dump_directory"}
        if self.url and inside:
            raise ValueError(f"expected no {', '.join(sorted(inside))} beside url, which names user and database")
        if not self.url and not (self.user and self.name):
            raise ValueError("expected user and name of the database in that service, or url of one elsewhere")
        if self.image and not self.url:
            raise ValueError("expected image beside url only: a service of the project has psql in its own image")
        return self


class MigrationSettings(Section):
    """Where Alembic is inside the application's image, or the application's own commands, or that it migrates nothing.

    `current` prints at which revisions the database is, `heads` which ones an image has: the first word of each line.
    """

    tool: Literal["alembic", "own", "none"] = "alembic"
    service: Word = "api"
    config: Word = "alembic.ini"
    section: Word = "alembic"
    python: Word = "python3"
    current: _Argv = ()
    heads: _Argv = ()
    upgrade: _Argv = ()
    downgrade: _Argv = ()
    trial: _Argv = ()
    at_start: bool | None = None

    @field_validator("downgrade")
    @classmethod
    def _names_its_revision(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if words and not any(REVISION in word for word in words[1:]):
            raise ValueError(f"expected {REVISION} behind the first word: the target's head is gone back to by name")
        return words

    @model_validator(mode="after")
    def _trial_of_something(self) -> Self:
        if self.trial and not (self.upgrade or self.downgrade):
            raise ValueError("trial is the harmless form of upgrade and downgrade, and neither is set")
        return self

    @model_validator(mode="after")
    def _commands_of_the_tool(self) -> Self:
        telling = {"current": self.current, "heads": self.heads}
        if self.tool == "own" and (missing := [name for name, words in telling.items() if not words]):
            raise ValueError(f'expected {" and ".join(missing)} beside tool = "own", which tell where the schema is')
        if self.tool != "own" and (told := [name for name, words in telling.items() if words]):
            raise ValueError(f'expected {" and ".join(told)} beside tool = "own" only: Alembic is asked by itself')
        if self.tool == "none" and (self.upgrade or self.downgrade or self.trial):
            raise ValueError('expected no upgrade, downgrade and trial beside tool = "none"')
        return self

    def own(self, direction: str) -> tuple[str, ...]:
        """Return the application's command for `upgrade` or `downgrade`; empty when Alembic itself is called."""
        return self.upgrade if direction == "upgrade" else self.downgrade
