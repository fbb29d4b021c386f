"""The settings of the schema: the database, and the application's migrations."""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, field_validator, model_validator

from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.words import Identifier, Seconds, UrlPath, Word

#: The placeholder for the revision in the application's own commands.
REVISION = "{revision}"
_Argv = tuple[Word, ...]


class DatabaseSettings(Section):
    """The PostgreSQL database: a service of the project, reached inside its container, or one elsewhere at `url`.

    `hosts` says whether several hosts share it or have one each.
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
            raise ValueError(f"expected no {', '.join(sorted(inside))} with url, which has user and database")
        if not self.url and not (self.user and self.name):
            raise ValueError("expected user and name of the database in that service, or url of one elsewhere")
        if self.image and not self.url:
            raise ValueError("expected image only with url: a service of the project has psql in its own image")
        return self


class MigrationSettings(Section):
    """The migrations: Alembic in the application's image, the application's own commands, or none.

    `current` prints the database's revisions, `heads` those of an image; the first word of each line counts.
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
            raise ValueError(f"expected {REVISION} after the first word: a downgrade goes to the target's head")
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
            raise ValueError(f'expected {" and ".join(missing)} with tool = "own": they print the revisions')
        if self.tool != "own" and (told := [name for name, words in telling.items() if words]):
            raise ValueError(f'expected {" and ".join(told)} only with tool = "own": Alembic is called directly')
        if self.tool == "none" and (self.upgrade or self.downgrade or self.trial):
            raise ValueError('expected no upgrade, downgrade and trial with tool = "none"')
        return self

    def own(self, direction: str) -> tuple[str, ...]:
        """Return the application's command for `upgrade` or `downgrade`; empty if Alembic is called directly."""
        return self.upgrade if direction == "upgrade" else self.downgrade
