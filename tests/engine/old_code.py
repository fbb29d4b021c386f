# ruff: noqa: S608 - this module writes SQL, and all names come from the tests
"""The target's code as a database sees it: what an ORM does with the tables and columns that it maps.

It selects every mapped column; inserts rows with all columns, with only the required ones, and with NULL in nullable
columns without a default; updates each column; compares each column with a value of its declared type; and deletes,
first the rows that others reference if the code relies on the database to handle those.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.migrations.image.mapped_models import MappedColumn, MappedTable, Models
from runbook.migrations.verdict.column_types import of_text
from tests.engine.postgres_cluster import Cluster

_MARK = "@@"


@dataclass(frozen=True)
class Failure:
    """A statement of the target's code that PostgreSQL refused."""

    operation: str
    message: str


def tables(models: Models) -> str:
    """Return the SQL that creates the target's tables."""
    made = "".join(
        f"{f'CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)};' if table.schema else ''}"
        f"CREATE TABLE {_name(table)} ({', '.join(_columns(table))});"
        for table in models.tables
    )
    ruled = "".join(rule for table in models.tables for rule in _rules(table))
    return made + ruled


def _rules(table: MappedTable) -> Iterator[str]:
    for unique in table.uniques:
        name = f"CONSTRAINT {quoted(unique.name)} " if unique.name else ""
        yield f"ALTER TABLE {_name(table)} ADD {name}UNIQUE ({', '.join(map(quoted, unique.columns))});"
    for key in table.foreign_keys or ():
        name = f"CONSTRAINT {quoted(key.name)} " if key.name else ""
        columns, above = ", ".join(map(quoted, key.columns)), quoted(key.table or "")
        yield (
            f"ALTER TABLE {_name(table)} ADD {name}FOREIGN KEY ({columns}) REFERENCES {above}"
            f" ON DELETE {key.on_delete} ON UPDATE {key.on_update};"
        )


def rows(models: Models) -> str:
    """Return the SQL that inserts two rows into each of the target's tables."""
    return "".join(f"{_insert(table, n)};" for table in _parents_first(models) for n in (1, 2))


def _parents_first(models: Models) -> list[MappedTable]:
    """Return the tables, referenced ones before those that reference them."""
    above = {key.table for table in models.tables for key in table.foreign_keys or ()}
    return sorted(models.tables, key=lambda table: table.name not in above)


def failures(cluster: Cluster, database: str, models: Models, *, first: str = "", last: str = "") -> list[Failure]:
    """Do everything that the target's code does, and return what was refused.

    `first` and `last` are SQL for the same session. Inside a transaction, each statement has its own savepoint.
    """
    script = [first]
    inside = bool(first)
    for number, (what, sql) in enumerate(operations(models)):
        script.append(f"SAVEPOINT s{number};" if inside else "")
        script.append(f"{sql};")
        script.append(f"\\echo {_MARK} :ERROR {_MARK} '{what}' {_MARK} :LAST_ERROR_MESSAGE")
        if inside:
            script.append(f"\\if :ERROR\nROLLBACK TO s{number};\n\\endif")
    script.append(last)
    done = cluster.psql(database, "\n".join(script), stop=False)
    told = [line.split(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    assert len(told) == len(list(operations(models))), done.stderr
    return [Failure(line[2].strip(), line[3].strip()) for line in told if line[1].strip() == "true"]


def operations(models: Models) -> Iterator[tuple[str, str]]:
    """Yield the name and SQL of everything that the target's code does."""
    for table in _parents_first(models):
        where, every = _name(table), ", ".join(quoted(column.name) for column in table.columns)
        yield f"select {table.name}", f"CREATE TEMP TABLE seen AS SELECT {every} FROM {where} LIMIT 0; DROP TABLE seen"
        yield f"read {table.name}", f"SELECT count(*) FROM (SELECT {every} FROM {where}) t"
        for n in (3, 4):
            yield f"insert all of {table.name}", _insert(table, n)
            yield f"insert little into {table.name}", _insert(table, n + 10, nulls=True)
        for column in table.columns:
            name = quoted(column.name)
            if of_text(column.type) is not None and "json" not in column.type.lower():
                yield f"compare {column.name}", f"SELECT count(*) FROM {where} WHERE {name} = {_value(column, 3)}"
            if column.primary_key:
                continue
            if column.nullable and not (column.client_default or column.server_default):
                yield f"empty {column.name}", f"UPDATE {where} SET {name} = NULL"
            yield f"update {column.name}", f"UPDATE {where} SET {name} = {_written(table, column, 9)}"
    keys = [key for table in models.tables for key in table.foreign_keys or ()]
    # Code without references between its tables deletes in any order.
    parents_last = reversed(_parents_first(models)) if keys else models.tables
    for table in _parents_first(models) if any(key.on_delete.acts for key in keys) else parents_last:
        yield f"delete from {table.name}", f"DELETE FROM {_name(table)}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name(table: MappedTable) -> str:
    return f"{quoted(table.schema)}.{quoted(table.name)}" if table.schema else quoted(table.name)


def _columns(table: MappedTable) -> Iterator[str]:
    key = [column for column in table.columns if column.primary_key]
    yield from (_column(column, alone=len(key) == 1) for column in table.columns)
    if len(key) > 1:
        yield f"PRIMARY KEY ({', '.join(quoted(column.name) for column in key)})"


def _column(column: MappedColumn, *, alone: bool) -> str:
    default = ""
    if column.server_default and column.primary_key and column.type == "INTEGER":
        return f"{quoted(column.name)} serial PRIMARY KEY"
    if column.server_default and column.primary_key and column.type == "UUID":
        return f"{quoted(column.name)} uuid DEFAULT gen_random_uuid() PRIMARY KEY"
    if column.server_default:
        default = f" DEFAULT {_value(column, 0)}"
    null = "" if column.nullable else " NOT NULL"
    return f"{quoted(column.name)} {column.type}{default}{null}{' PRIMARY KEY' if column.primary_key and alone else ''}"


def _insert(table: MappedTable, n: int, *, nulls: bool = False) -> str:
    given = [column for column in table.columns if not column.server_default or not (column.primary_key or nulls)]
    empty = [nulls and column.nullable and not column.client_default for column in given]
    values = ["NULL" if left else _written(table, each, n) for each, left in zip(given, empty, strict=True)]
    columns = ", ".join(quoted(column.name) for column in given)
    if not given:
        return f"INSERT INTO {_name(table)} DEFAULT VALUES"
    return f"INSERT INTO {_name(table)} ({columns}) VALUES ({', '.join(values)})"


def _written(table: MappedTable, column: MappedColumn, n: int) -> str:
    """Return a value for a column: an existing id if it is a foreign key, random text if it is unique."""
    if any(column.name in key.columns for key in table.foreign_keys or ()):
        above = next(key.table for key in table.foreign_keys or () if column.name in key.columns)
        return f"(SELECT max(id) FROM {quoted(above or '')})"
    if any(column.name in unique.columns for unique in table.uniques):
        return f"left(md5(random()::text), 19)::{column.type}"
    return _value(column, n)


def _value(column: MappedColumn, n: int) -> str:
    """Return a value as the code writes it, typed as drivers do, as large as the type allows if that may matter."""
    if column.labels:
        return f"CAST('{column.labels[n % len(column.labels)]}' AS {column.type})"
    kind = of_text(column.type)
    family = kind.family if kind is not None else None
    text = (
        {
            "integer": str(({"int2": 32_000, "int4": 2_147_483_000, "int8": 9_000_000_000}).get(kind.name, 0) + n),
            "number": f"{'9' * min((kind.mods[0] - kind.mods[1] if len(kind.mods) > 1 else 8), 8)}.{n % 10}",
            "truth value": "true" if n % 2 else "false",
            "date": f"2020-01-{n + 1:02}",
            "moment": f"2020-01-{n + 1:02} 10:00:00",
            "time of day": f"10:00:{n:02}",
            "duration": f"{n} days",
            "JSON": f'{{"n": {n}}}',
            "bytes": f"\\x0{n % 10}",
            "UUID": f"00000000-0000-0000-0000-{n:012}",
        }.get(family or "", ("n" * ((kind.mods[0] if kind is not None and kind.mods else 40) - 2))[:80] + f"{n:02}")
        if kind is not None
        else str(n)
    )
    return f"CAST('{text}' AS {column.type})"
