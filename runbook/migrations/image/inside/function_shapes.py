"""The shape of an `upgrade()` or `downgrade()`, read from its source without running it."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Iterable, Iterator  # noqa: UP035 - Python 3.8 cannot subscript the newer ones

from runbook.migrations.image.inside.written_sql import sql_in

# Names that show that a migration reads the database, or does less when it only writes SQL.
READS_DATABASE = {"get_bind", "create_engine", "Session", "sessionmaker", "inspect", "scoped_session"}
DIFFERS_OFFLINE = {"is_offline_mode", "as_sql"}
LOG_METHODS = {"debug", "info", "warning", "warn", "error", "critical", "log"}
LOGGERS = {"log", "logger", "logging", "LOG", "LOGGER", "warnings", "_log", "_logger"}


def shape_of_function(module: ModuleType, name: str) -> dict[str, Any]:
    """Describe a function of a revision's module: its shape, the operations it calls, and what it depends on.

    The shape is `missing`, `empty` (only `pass`, strings or `return`), `raises` (always), `real`, `conditional` (does
    nothing or raises in some cases), or `unknown` if there is no source to read.
    """
    function = getattr(module, name, None)
    if function is None:
        return described("missing")
    try:
        function = inspect.unwrap(function)
        path, line = function.__code__.co_filename, function.__code__.co_firstlineno
        tree = ast.parse(Path(path).read_bytes())
    except (AttributeError, OSError, SyntaxError, ValueError):
        return described("unknown")
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            if node.name == function.__name__ and line in lines:
                return shape_of(node, tree)
    return described("unknown")


def described(shape: str, code: Iterable[ast.AST] = ()) -> dict[str, Any]:
    """Return a shape together with the facts read from `code`: a function and those that it calls."""
    nodes = [part for top in code for part in ast.walk(top)]
    names = {part.id for part in nodes if isinstance(part, ast.Name)}
    names |= {part.attr for part in nodes if isinstance(part, ast.Attribute)}
    return {
        "shape": shape,
        "operations": sorted(set(_operations(nodes))),
        "reads_database": bool(names & READS_DATABASE),
        "differs_offline": bool(names & DIFFERS_OFFLINE),
        "counts_rows": "rowcount" in names,
        "sql": None,
    }


def shape_of(function: ast.FunctionDef | ast.AsyncFunctionDef, tree: ast.Module) -> dict[str, Any]:
    """Describe a function, given its syntax tree and that of its file."""
    body = function.body
    if not _acts(body):
        shape = "empty" if not _may_raise(body) else "raises" if _raises(body) else "conditional"
    elif _raises(body):
        shape = "raises"
    elif _may_raise(body) or not _surely_acts(body):
        shape = "conditional"
    else:
        shape = "real"
    called = _called(function, tree)
    return {**described(shape, called), "sql": sql_in(called, tree)}


def _called(function: ast.AST, tree: ast.Module) -> list[ast.AST]:
    """Return a function and the functions of the same file that it calls, directly or indirectly."""
    others = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = [function]
    for node in found:  # grows during the loop
        for part in ast.walk(node):
            other = others.get(part.id) if isinstance(part, ast.Name) else None
            if other is not None and other not in found:
                found.append(other)
    return found


def _is_inert(statement: ast.stmt) -> bool:
    """Return whether a statement cannot change anything: `pass`, a string, `...`, an import, a log call."""
    if isinstance(statement, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.FunctionDef, ast.ClassDef)):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return not any(isinstance(part, ast.Call) for part in ast.walk(statement))
    if not isinstance(statement, ast.Expr):
        return False
    return isinstance(statement.value, ast.Constant) or _logs(statement.value)


def _logs(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    if isinstance(called, ast.Name):
        return called.id == "print"
    if not isinstance(called, ast.Attribute) or called.attr not in LOG_METHODS:
        return False
    return isinstance(called.value, ast.Name) and called.value.id in LOGGERS


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks inside a statement, exception handlers included."""
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(statement, "handlers", [])]
    return [block for block in blocks if block]


def _is_compound(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith))


def _reached(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block up to the one that leaves it."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.Return, ast.Raise)):
            return


def _constant(test: ast.expr) -> bool | None:
    return bool(test.value) if isinstance(test, ast.Constant) else None


def _taken(statement: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks that a statement may run. For `if False:` that is only the `else` block."""
    if isinstance(statement, (ast.If, ast.While)) and _constant(statement.test) is not None:
        return [statement.body if _constant(statement.test) else statement.orelse]
    return _blocks(statement)


def _sides(statement: ast.If) -> list[list[ast.stmt]]:
    """Return the blocks of which exactly one runs. For `if False:` that is only the `else` block."""
    return [statement.body, statement.orelse] if _constant(statement.test) is None else _taken(statement)


def _acts(body: Iterable[ast.stmt]) -> bool:
    """Return whether a block does something in at least one case."""
    for statement in _reached(body):
        if isinstance(statement, (ast.Raise, ast.Assert)) or _is_inert(statement):
            continue
        if not _is_compound(statement) or any(_acts(block) for block in _taken(statement)):
            return True
    return False


def _surely_acts(body: Iterable[ast.stmt]) -> bool:
    """Return whether a block does something in every case, before it exits."""
    for statement in _reached(body):
        if isinstance(statement, (ast.Raise, ast.Assert)) or _is_inert(statement):
            continue
        if isinstance(statement, ast.If):
            sides = _sides(statement)
            if all(_surely_acts(side) for side in sides):
                return True
            if any(_leaves(side) for side in sides):
                return False
        elif isinstance(statement, (ast.With, ast.AsyncWith, ast.Try, ast.For, ast.AsyncFor)):
            if _surely_acts(statement.body):
                return True
        elif not _is_compound(statement):
            return True
    return False


def _leaves(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, (ast.Return, ast.Raise)) for statement in body for part in ast.walk(statement))


def _raises(body: Iterable[ast.stmt]) -> bool:
    """Return whether a block raises in every case."""
    for statement in _reached(body):
        if isinstance(statement, ast.Raise):
            return True
        if isinstance(statement, ast.Assert) and _constant(statement.test) is False:
            return True
        if isinstance(statement, ast.If):
            sides = _sides(statement)
            if all(_raises(side) for side in sides):
                return True
        if _raises_inside(statement):
            return True
    return False


def _raises_inside(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return _raises(statement.body)
    if not isinstance(statement, ast.Try):
        return False
    caught = all(_raises(handler.body) for handler in statement.handlers)
    return _raises(statement.finalbody) or (_raises(statement.body) and caught)


def swallows(path: str, line: int) -> bool:
    """Return whether an error raised on a line of a file is caught and not always re-raised."""
    return any(first <= line <= last for first, last in _caught_lines(path))


@functools.lru_cache(maxsize=None)  # noqa: UP033 - Python 3.8 has no functools.cache
def _caught_lines(path: str) -> list[tuple[int, int]]:
    """Return the (first, last) line ranges whose errors are caught. For an unreadable file, that is every line."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return [(0, sys.maxsize)]
    return list(_caught(tree, within=False))


def _caught(node: ast.AST, *, within: bool) -> Iterator[tuple[int, int]]:
    """Yield the line ranges below `node` whose errors are caught. `within` says whether those of `node` itself are."""
    if within and isinstance(node, ast.stmt) and not _is_compound(node):
        yield node.lineno, node.end_lineno or node.lineno
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        within = False  # a definition does not run its body
    body = getattr(node, "body", []) if _catches(node) else []
    for part in ast.iter_child_nodes(node):
        yield from _caught(part, within=within or part in body)


def _catches(node: ast.AST) -> bool:
    if isinstance(node, (ast.With, ast.AsyncWith)):
        parts = (part for item in node.items for part in ast.walk(item.context_expr))
        return any(getattr(part, "id", getattr(part, "attr", "")) == "suppress" for part in parts)
    return any(not _raises(handler.body) for handler in getattr(node, "handlers", []))


def _may_raise(body: Iterable[ast.stmt]) -> bool:
    """Return whether a block has a `raise` or `assert` that may run."""
    for statement in _reached(body):
        if isinstance(statement, (ast.Raise, ast.Assert)):
            return True
        if _is_compound(statement) and any(_may_raise(block) for block in _taken(statement)):
            return True
    return False


def _operations(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for part in nodes:
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            owner = part.func.value
            if isinstance(owner, ast.Name) and owner.id in ("op", "batch_op", "operations"):
                yield part.func.attr
