"""Names of tables, and whether the target's code uses a table."""

from dataclasses import dataclass
from typing import Any

from runbook.migrations.image.mapped_models import MappedTable, Models
from runbook.settings.database import DatabaseSettings

# An assumption that docs/verdict.md states: PostgreSQL's default search path, "$user", public.
# https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
PUBLIC = "public"


class Unclear(Exception):
    """A statement whose meaning does not follow from the SQL. The message is the reason."""


CASCADE = "CASCADE drops all dependent objects, which the SQL does not name"


@dataclass(frozen=True)
class Name:
    """The name of a table. A schema of None is `public`, which the search path finds."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


#: Alembic's version table, unless env.py sets another.
BOOKKEEPING = Name(None, "alembic_version")


def named(schema: str | None, name: str) -> Name:
    """Return a name, in which the schema `public` is None."""
    return Name(None if schema == PUBLIC else schema, name)


def bookkeeping(settings: DatabaseSettings | None) -> Name:
    """Return the name of Alembic's version table according to the settings."""
    if settings is None:
        return BOOKKEEPING
    return named(settings.version_schema, settings.version_table)


def from_parts(parts: Any) -> Name:
    """Return the name in a list of pglast strings, as in DROP. Raises Unclear when it names another database."""
    texts = [part.sval for part in parts]
    if len(texts) > 2:
        raise Unclear(f"{'.'.join(texts)} names another database")
    return named(texts[0] if len(texts) == 2 else None, texts[-1])


@dataclass(frozen=True)
class TableUse:
    """How the target's code uses a table: it maps it (`table`), it does not, or that is not known (`unknown`: why)."""

    table: MappedTable | None = None
    unknown: str = ""

    @property
    def unused(self) -> bool:
        """Whether the code is certain not to use the table."""
        return self.table is None and not self.unknown


def use_of(models: Models | None, name: Name) -> TableUse:
    """Return how the target's code uses the table that has `name` after the target's own migrations."""
    if models is None:
        return TableUse(unknown="what the target's code uses is unknown, because no models were given")
    for table in models.tables:
        if named(table.schema, table.name) == name:
            return TableUse(table)
    for table in models.tables:
        other = named(table.schema, table.name)
        if other.name == name.name and (table.schema is None or name.schema is None) and table.schema != PUBLIC:
            return TableUse(
                unknown=f"the search path decides whether this is the table {other} that the target's code maps"
            )
    return TableUse()
