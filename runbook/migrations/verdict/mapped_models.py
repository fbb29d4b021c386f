"""What the target's code maps: tables and columns, read from JSON that a foreign image printed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from runbook.errors import ModelsError

_NAME_BYTES = 63  # PostgreSQL cuts longer names: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_LONGEST = 1_000  # characters of a name or a type; no honest one is longer
_NEXT = 'give {"tables": [{"schema": null, "name": …, "columns": [{"name": …, "type": …, "nullable": true}]}]}'


@dataclass(frozen=True)
class MappedColumn:
    """A column that the target's code reads and writes.

    `server_default` is true when the database fills the column (default, identity, computed), `client_default` when
    the code does. `type` is as the code declares it, in PostgreSQL's words: `VARCHAR(20)`.
    """

    name: str
    type: str
    nullable: bool
    primary_key: bool = False
    client_default: bool = False
    server_default: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that the target's code declares; it `acts` if rows follow those that they point to.

    A `name` of None is the one that PostgreSQL gives.
    """

    name: str | None
    columns: tuple[str, ...]
    acts: bool


@dataclass(frozen=True)
class MappedTable:
    """A table that the target's code maps; a `schema` of None is whatever the search path finds.

    `foreign_keys` of None are not known. `partitioned` says that its rows lie in other tables.
    """

    schema: str | None
    name: str
    columns: tuple[MappedColumn, ...]
    foreign_keys: tuple[ForeignKey, ...] | None = None
    partitioned: bool = False

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
    """Everything that the target's code maps."""

    tables: tuple[MappedTable, ...]


def from_json(text: str | bytes) -> Models:
    """Read models from JSON text. Raises ModelsError, in one line, for anything but the format above."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise _wrong("the models are nested too deeply to be read") from None
    except ValueError as error:
        raise _wrong(f"the models are not JSON: {str(error)[:200]}") from None
    return from_object(found)


def from_object(found: Any) -> Models:
    """Read models from parsed JSON. Raises ModelsError for anything but the format above."""
    tables = tuple(_table(item, f"tables[{i}]") for i, item in enumerate(_list(_dict(found, "the models"), "tables")))
    seen: set[tuple[str | None, str]] = set()
    for table in tables:
        if (table.schema, table.name) in seen:
            raise _wrong(f"the models name the table {table.name!r} twice")
        seen.add((table.schema, table.name))
    return Models(tables)


def _table(item: Any, place: str) -> MappedTable:
    raw = _dict(item, place)
    schema = raw.get("schema")
    columns = tuple(_column(each, f"{place}.columns[{i}]") for i, each in enumerate(_list(raw, "columns", place)))
    keys = None
    if raw.get("foreign_keys") is not None:
        found = enumerate(_list(raw, "foreign_keys", place))
        keys = tuple(_foreign_key(each, f"{place}.foreign_keys[{i}]") for i, each in found)
    schema = None if schema is None else _name(raw, "schema", place)
    table = MappedTable(schema, _name(raw, "name", place), columns, keys, _flag(raw, "partitioned", place))
    if len(table.by_name) != len(columns):
        raise _wrong(f"{place} ({table.name!r}) has two columns of one name")
    return table


def _column(item: Any, place: str) -> MappedColumn:
    raw = _dict(item, place)
    flags = {field.name: _flag(raw, field.name, place) for field in fields(MappedColumn) if field.type is bool}
    return MappedColumn(_name(raw, "name", place), _text(raw, "type", place), **flags)


def _foreign_key(item: Any, place: str) -> ForeignKey:
    raw = _dict(item, place)
    columns = tuple(_name({"column": each}, "column", place) for each in _list(raw, "columns", place))
    name = None if raw.get("name") is None else _name(raw, "name", place)
    return ForeignKey(name, columns, _flag(raw, "acts", place))


def _dict(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"{place} should be an object and is {_shown(value)}")
    return value


def _list(raw: dict[str, Any], key: str, place: str = "the models") -> list[Any]:
    value = raw.get(key)
    if not isinstance(value, list):
        raise _wrong(f"{place}: {key!r} should be a list and is {_shown(value)}")
    return value


def _flag(raw: dict[str, Any], key: str, place: str) -> bool:
    value = raw.get(key, None if key == "nullable" else False)
    if not isinstance(value, bool):
        raise _wrong(f"{place}: {key!r} should be true or false and is {_shown(value)}")
    return value


def _text(raw: dict[str, Any], key: str, place: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _wrong(f"{place}: {key!r} should be a text of 1 to {_LONGEST} characters and is {_shown(value)}")
    return value


def _name(raw: dict[str, Any], key: str, place: str) -> str:
    value = _text(raw, key, place)
    try:
        return value.encode()[:_NAME_BYTES].decode(errors="ignore")
    except UnicodeEncodeError:
        raise _wrong(f"{place}: {key!r} is not Unicode text: {_shown(value)}") from None


def _shown(value: Any) -> str:
    return ascii(value if not isinstance(value, list | dict) else type(value).__name__)[:60]


def _wrong(what: str) -> ModelsError:
    return ModelsError(what, _NEXT)
