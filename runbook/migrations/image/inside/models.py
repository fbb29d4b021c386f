"""The tables and columns that an image's code maps, taken from what env.py passes to Alembic."""

from __future__ import annotations

from typing import Any

from runbook.migrations.image.inside.isolation import ProbeError, reason
from runbook.migrations.image.inside.offline import Offline


def read_models(offline: Offline) -> dict[str, Any]:
    """Describe every table that env.py passes to Alembic, and any problems. Raises ProbeError when it passes none."""
    problems = []
    try:
        offline.run(None, None, lambda _revision: [])
    except BaseException as error:
        if not offline.take_from_traceback(error):
            raise
        problems.append(f"env.py failed, but its target_metadata could be read: {reason(error)}")
    if not offline.metadata:
        never = "" if offline.configured else " (it never called context.configure() in offline mode)"
        raise ProbeError(f"env.py gives Alembic no target_metadata{never}")
    tables = [table for metadata in offline.metadata for table in metadata.tables.values()]
    if not tables:
        raise ProbeError("the target_metadata of env.py has no tables: are the modules with the models imported?")
    described: dict[tuple[str | None, str], dict[str, Any]] = {}
    for table in sorted(tables, key=lambda table: str(table.key)):
        found = _table(table, problems)
        first = described.setdefault((found["schema"], found["name"]), found)
        if first is not found:
            _join(first, found)
            problems.append(f"the table {table.key} is mapped twice; both mappings are merged")
    return {"tables": list(described.values()), "problems": problems}


def _table(table: Any, problems: list[str]) -> dict[str, Any]:
    if not len(table.columns):
        problems.append(f"the table {table.key} has no columns until it is reflected from a database")
    columns = {str(column.name): _column(table, column, problems) for column in table.columns}
    schema = table.schema or table.metadata.schema
    name = str(table.name)
    keys = [_foreign_key(key) for key in table.foreign_key_constraints]
    return {
        "schema": None if schema is None else str(schema),
        "name": name,
        "columns": list(columns.values()),
        "foreign_keys": sorted(keys, key=lambda key: (key["columns"], key["name"] or "")),
        "uniques": _uniques(table),
        "partitioned": bool(table.kwargs.get("postgresql_partition_by")),
    }


RULES = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def _foreign_key(key: Any) -> dict[str, Any]:
    pointed_to = {str(element.target_fullname).rpartition(".")[0] for element in key.elements}
    schema, _, table = (pointed_to.pop() if len(pointed_to) == 1 else "").rpartition(".")
    return {
        "name": _plain(key.name),
        "columns": [str(column.name) for column in key.columns],
        "table": table or None,
        "schema": schema or None,
        "on_delete": _rule(key.ondelete),
        "on_update": _rule(key.onupdate),
        "points_to": [str(element.target_fullname).rpartition(".")[2] for element in key.elements],
    }


def _rule(given: Any) -> str:
    """Return the rule that a key declares, in PostgreSQL's words, without a column list (`SET NULL (a)`)."""
    words = " ".join(str(given or "").upper().partition("(")[0].split())
    return words if words in RULES else RULES[0]


def _uniques(table: Any) -> list[dict[str, Any]]:
    """Return the unique constraints, and the unique indexes on plain columns without WHERE."""
    found = [each for each in table.constraints if type(each).__name__ == "UniqueConstraint"]
    for index in table.indexes:
        plain = all(getattr(each, "table", None) is table for each in index.expressions)
        if index.unique and plain and index.dialect_options["postgresql"].get("where") is None:
            found.append(index)
    keys = [{"name": _plain(each.name), "columns": [str(column.name) for column in each.columns]} for each in found]
    return sorted(keys, key=lambda key: (key["columns"], key["name"] or ""))


def _plain(name: Any) -> str | None:
    return str(name) if isinstance(name, str) else None


def _join(first: dict[str, Any], found: dict[str, Any]) -> None:
    """Merge a second mapping into the first. A flag of a column in both is set only if both mappings set it."""
    first["foreign_keys"] += found["foreign_keys"]
    first["uniques"] += found["uniques"]
    first["partitioned"] = first["partitioned"] or found["partitioned"]
    by_name = {column["name"]: column for column in first["columns"]}
    for column in found["columns"]:
        other = by_name.get(column["name"])
        if other is None:
            first["columns"].append(column)
            continue
        for flag in ("nullable", "client_default", "server_default"):
            other[flag] = other[flag] and column[flag]


def _column(table: Any, column: Any, problems: list[str]) -> dict[str, Any]:
    from sqlalchemy.dialects import postgresql  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

    try:
        type_ = str(column.type.compile(dialect=postgresql.dialect()))
    except Exception as error:  # noqa: BLE001 - a type of the application may raise anything
        type_ = "unknown"
        problems.append(f"the type of {table.key}.{column.name} has no name in PostgreSQL: {reason(error)}")
    sequence = bool(getattr(column.default, "is_sequence", False))
    return {
        "name": str(column.name),
        "type": type_,
        "nullable": bool(column.nullable),
        "primary_key": bool(column.primary_key),
        "client_default": column.default is not None and not sequence,
        "server_default": sequence or column.server_default is not None or _numbered(table, column),
        "labels": _labels(column.type),
    }


def _labels(kind: Any) -> list[str] | None:
    """Return the labels of an enum, also if a type of the application wraps it, or None for any other type."""
    for each in (kind, getattr(kind, "impl", None)):
        labels = getattr(each, "enums", None)
        if isinstance(labels, (list, tuple)) and labels and all(isinstance(label, str) for label in labels):
            return [str(label) for label in labels]
    return None


def _numbered(table: Any, column: Any) -> bool:
    """Return whether SQLAlchemy creates the column as SERIAL, which PostgreSQL fills."""
    numbered: Any = getattr(table, "_autoincrement_column", None)
    return bool(numbered is column and numbered.default is None)
