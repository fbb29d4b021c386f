"""All the SQL that a migration's function can run, for any answer of the database, read from its source.

It is known only if the source has it as constants. The lists below name the calls that change no rows themselves. Any
other call may run other SQL, change rows without SQL, or lead to code in another file: then the SQL is unknown.
"""

from __future__ import annotations

import ast
from typing import Iterator, Sequence  # noqa: UP035 - Python 3.8 needs these

#: Modules of the standard library whose functions run no SQL.
_PLAIN = {
    "__future__", "collections", "datetime", "decimal", "enum", "itertools", "json", "logging", "math", "re", "string",
    "textwrap", "time", "typing", "uuid",
}  # fmt: skip
_BUILTINS = {
    "all", "any", "bool", "dict", "enumerate", "float", "int", "isinstance", "len", "list", "max", "min", "print",
    "range", "repr", "reversed", "set", "sorted", "str", "sum", "tuple", "zip",
}  # fmt: skip
#: Alembic operations that change only the schema. Dropping a column is not one: a column made again loses its values.
_OPERATIONS = {
    "add_column", "alter_column", "batch_alter_table", "create_check_constraint", "create_exclude_constraint",
    "create_foreign_key", "create_index", "create_primary_key", "create_table", "create_table_comment",
    "create_unique_constraint", "drop_constraint", "drop_index", "drop_table_comment", "f", "get_bind", "get_context",
}  # fmt: skip
#: Methods of SQLAlchemy's inspectors, results and queries, of Python's built-in values, and of loggers.
_METHODS = {
    "get_check_constraints", "get_columns", "get_enums", "get_foreign_keys", "get_indexes", "get_pk_constraint",
    "get_schema_names", "get_table_names", "get_unique_constraints", "get_view_names", "has_index", "has_table",
    "all", "fetchall", "fetchone", "first", "mappings", "one", "one_or_none", "scalar_one", "scalar_one_or_none",
    "bindparams", "columns", "distinct", "group_by", "join", "label", "limit", "order_by", "select_from", "where",
    "append", "extend", "format", "get", "isoformat", "items", "keys", "lower", "replace", "split", "startswith",
    "strip", "upper", "values",
    "debug", "error", "info", "warning",
    "autocommit_block", "create",
}  # fmt: skip
_RUNS = {"exec_driver_sql", "execute", "scalar", "scalars"}
_LONGEST = 50_000  # characters per function


class _Unknown(Exception):
    """The function may run SQL that is not in its source."""


def sql_in(functions: Sequence[ast.AST], tree: ast.Module) -> list[str] | None:
    """Return the SQL in the functions of one file, each statement once, or None if they may run other SQL.

    `functions` must include every function of the file that they call.
    """
    try:
        names = _imported(tree)
        names |= {node.name for node in functions if isinstance(node, ast.FunctionDef)}
        found = [text for node in functions for text in _in_function(node, names)]
    except _Unknown:
        return None
    return list(dict.fromkeys(found)) if sum(map(len, found)) <= _LONGEST else None


def _imported(tree: ast.Module) -> set[str]:
    """Return the names imported from SQLAlchemy and Python. Raises _Unknown when the file imports other modules."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules = ["" if node.level else str(node.module)]
        elif isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        else:
            continue
        roots = {module.partition(".")[0] for module in modules}
        if not roots <= _PLAIN | {"alembic", "sqlalchemy"}:
            raise _Unknown
        if "alembic" not in roots:
            found |= {(name.asname or name.name).partition(".")[0] for name in node.names}
    return found


def _in_function(function: ast.AST, names: set[str]) -> Iterator[str]:
    if getattr(function, "decorator_list", None):
        raise _Unknown
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    called = {id(call.func) for call in calls}
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and node.attr in _RUNS and id(node) not in called:
            raise _Unknown  # the method may be called later, under another name
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _RUNS:
            yield from _run(call, call.func.attr)
        elif not _harmless(call, names):
            raise _Unknown


def _harmless(call: ast.Call, names: set[str]) -> bool:
    """Return whether a call itself changes no rows."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in names | _BUILTINS
    if not isinstance(function, ast.Attribute):
        return False
    if any(keyword.arg == "postgresql_using" for keyword in call.keywords):
        return False
    return _root(function) in names or function.attr in _OPERATIONS | _METHODS


def _root(node: ast.expr) -> str:
    """Return the name at the start of an attribute chain, or an empty string if it starts with something else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _run(call: ast.Call, method: str) -> Iterator[str]:
    """Yield the SQL that a call runs: nothing for a query or for reading a result. Raises _Unknown otherwise."""
    if not call.args:
        if call.keywords or method == "execute":
            raise _Unknown
        return
    statement = call.args[0]
    while isinstance(statement, ast.Call) and not _makes(statement, "text", "select"):
        function = statement.func  # a method that returns the same text or query
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Call):
            raise _Unknown
        statement = function.value
    if isinstance(statement, ast.Call):
        if _makes(statement, "select"):
            return
        statement = statement.args[0] if statement.args else statement
    if not isinstance(statement, ast.Constant) or not isinstance(statement.value, str):
        raise _Unknown
    yield statement.value


def _makes(call: ast.Call, *names: str) -> bool:
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in names
