"""Names of tables, and whether the target's code uses the table with a name."""

from dataclasses import dataclass
from typing import Any

from runbook.migrations.image.mapped_models import MappedTable, Models
from runbook.settings.database import DatabaseSettings

# Assumed, and said in docs/verdict.md: PostgreSQL's default search path, "$user", public.
# https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
PUBLIC = "public"


class Unclear(Exception):
    """A statement whose meaning depends on what is not in the SQL; it carries the reason."""


CASCADE = "CASCADE drops whatever depends on it, which the SQL does not tell"


@dataclass(frozen=True)
class Name:
    """The name of a table; schema None is `public`, and what the search path finds there."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


#: Where Alembic keeps the database's revisions, if env.py does not say otherwise.
BOOKKEEPING = Name(None, "alembic_version")


def named(schema: str | None, name: str) -> Name:
    """A name, with `public` as what the search path finds."""
    return Name(None if schema == PUBLIC else schema, name)


def bookkeeping(settings: DatabaseSettings | None) -> Name:
    """The table in which Alembic keeps the database's revisions, as the settings name it."""
    if settings is None:
        return BOOKKEEPING
    return named(settings.version_schema, settings.version_table)


def from_parts(parts: Any) -> Name:
    """The name in a list of pglast's strings, as DROP has it."""
    texts = [part.sval for part in parts]
    if len(texts) > 2:
        raise Unclear(f"{'.'.join(texts)} names another database")
    return named(texts[0] if len(texts) == 2 else None, texts[-1])


@dataclass(frozen=True)
class TableUse:
    """How the target's code uses a table: it maps it (`table`), or not, or nobody knows (`unknown` says why)."""

    table: MappedTable | None = None
    unknown: str = ""

    @property
    def unused(self) -> bool:
        """That the code certainly does not use the table."""
        return self.table is None and not self.unknown


def use_of(models: Models | None, name: Name) -> TableUse:
    """Tell how the target's code uses the table that has `name` when the target's own migrations are done."""
    if models is None:
        return TableUse(unknown="what the target's code uses is not known, for no models were given")
    for table in models.tables:
        if named(table.schema, table.name) == name:
            return TableUse(table)
    for table in models.tables:
        other = named(table.schema, table.name)
        if other.name == name.name and (table.schema is None or name.schema is None) and table.schema != PUBLIC:
            return TableUse(
                unknown=f"whether that is the table {other} that the target's code maps, the search path decides"
            )
    return TableUse()
