"""The tables and columns that an application's code maps, in one form from the image's report to the verdict."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from annotated_types import MaxLen
from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from runbook.errors import ModelsError

_STRICT = ConfigDict(strict=True, extra="forbid")
_NAME_BYTES = 63  # PostgreSQL truncates longer names: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_FORMAT = 'give {"tables": [{"schema": null, "name": …, "columns": [{"name": …, "type": …, "nullable": true}]}]}'

Word = Annotated[str, MaxLen(1000)]
Words = Annotated[tuple[Word, ...], MaxLen(1000)]
_FilledWord = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
SqlName = Annotated[_FilledWord, AfterValidator(lambda name: name.encode()[:_NAME_BYTES].decode(errors="ignore"))]


@dataclass(frozen=True)
class MappedColumn:
    """A column that the code reads and writes.

    `type` is the declared type in PostgreSQL's syntax (`VARCHAR(20)`), or `unknown`. `server_default` is true if the
    database fills the column (default, identity, computed), `client_default` if the code does. `labels` are an enum's,
    None for any other type.
    """

    __pydantic_config__ = _STRICT

    name: SqlName
    type: _FilledWord
    nullable: bool
    primary_key: bool = False
    client_default: bool = False
    server_default: bool = False
    labels: Annotated[tuple[Word, ...], MaxLen(2000)] | None = None


class Rule(StrEnum):
    """The action on rows that reference a row, when it is deleted or its key changes."""

    NO_ACTION = "NO ACTION"
    RESTRICT = "RESTRICT"
    CASCADE = "CASCADE"
    SET_NULL = "SET NULL"
    SET_DEFAULT = "SET DEFAULT"

    @property
    def acts(self) -> bool:
        """Whether the database changes the referencing rows instead of refusing the statement."""
        return self not in (Rule.NO_ACTION, Rule.RESTRICT)


_Columns = Annotated[tuple[SqlName, ...], MaxLen(1000)]


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that the code declares. If `name` is None, PostgreSQL generates the name.

    `schema` and `table` are the referenced table. `table` is None if it is unknown. `points_to` are the referenced
    columns, None for the primary key.
    """

    __pydantic_config__ = _STRICT

    columns: _Columns
    name: SqlName | None = None
    table: SqlName | None = None
    schema: SqlName | None = None
    on_delete: Rule = Rule.NO_ACTION
    on_update: Rule = Rule.NO_ACTION
    points_to: _Columns | None = None


@dataclass(frozen=True)
class UniqueKey:
    """Columns that the code declares unique together. If `name` is None, PostgreSQL generates the name."""

    __pydantic_config__ = _STRICT

    columns: _Columns
    name: SqlName | None = None


@dataclass(frozen=True)
class MappedTable:
    """A table that the code maps. If `schema` is None, the search path decides.

    `foreign_keys` is None if they are unknown. `uniques` are unique constraints and plain unique indexes. The rows of a
    `partitioned` table are in other tables.
    """

    __pydantic_config__ = _STRICT

    name: SqlName
    columns: Annotated[tuple[MappedColumn, ...], MaxLen(2000)]
    schema: SqlName | None = None
    foreign_keys: Annotated[tuple[ForeignKey, ...], MaxLen(2000)] | None = None
    uniques: Annotated[tuple[UniqueKey, ...], MaxLen(2000)] = ()
    partitioned: bool = False

    def __post_init__(self) -> None:
        """Reject two columns with the same name."""
        if len(self.by_name) != len(self.columns):
            raise ValueError(f"the table {self.name!a} has two columns with the same name")

    @cached_property
    def by_name(self) -> Mapping[str, MappedColumn]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def key(self) -> frozenset[str]:
        """The names of the primary key's columns."""
        return frozenset(column.name for column in self.columns if column.primary_key)


@dataclass(frozen=True)
class Models:
    """All tables that the code maps."""

    __pydantic_config__ = _STRICT

    tables: Annotated[tuple[MappedTable, ...], MaxLen(20_000)]

    def __post_init__(self) -> None:
        """Reject two tables with the same name."""
        if len({(table.schema, table.name) for table in self.tables}) != len(self.tables):
            raise ValueError("two tables have the same name")


def models_from_json(text: bytes | str) -> Models:
    """Read models in the JSON format of `assess --models`. Raises ModelsError, in one line, for anything else.

    >>> column = '{"name": "id", "type": "INTEGER", "nullable": false, "primary_key": true}'
    >>> (orders,) = models_from_json('{"tables": [{"name": "orders", "columns": [%s]}]}' % column).tables
    >>> orders.key
    frozenset({'id'})
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text))  # Windows writes UTF-16 and byte order marks
        return TypeAdapter(Models).validate_json(text)
    except ValidationError as error:
        why = first_error(error)
    except UnicodeDecodeError as error:
        why = f"invalid {error.encoding} at byte {error.start}"
    raise ModelsError(f"the models cannot be read: {why}", _FORMAT)


def first_error(error: ValidationError) -> str:
    """Return the place and message of the first error, in one line of at most 200 printable characters."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    line = f"{place}: {first['msg']}" if place else first["msg"]
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)[:200]
