"""Whether a default always gives a value, and whether it differs each time, decided without evaluating it."""

from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind

from runbook.migrations.verdict.column_types import SqlType, of_tree
from runbook.migrations.verdict.expressions import (
    CLOCKS,
    COMPARISONS,
    STRICT,
    cannot_fail,
    function,
    is_a,
    operator,
)  # fmt: skip

_MOMENTS = {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timezone", "date_trunc"}
_UNIQUE = {"gen_random_uuid", "uuid_generate_v4", "uuid_generate_v1", "uuid_generate_v1mc", "uuidv4", "uuidv7"}
_NUMBERS = {"random", "nextval", "date_part", "extract", "floor", "ceil", "ceiling", "round", "trunc", "abs", "length"}
_JSON = {
    "jsonb_build_object", "json_build_object", "jsonb_build_array", "json_build_array", "to_json", "to_jsonb",
}  # fmt: skip
_TEXTS = {"md5", "lower", "upper", "concat", "concat_ws", "to_char", "btrim", "left", "right", "replace", "reverse"}
# The kind of value that a function returns. It decides which casts cannot fail.
_KINDS = {
    **dict.fromkeys(_MOMENTS, "moment"), **dict.fromkeys(_UNIQUE, "uuid"), **dict.fromkeys(_NUMBERS, "number"),
    **dict.fromkeys(_JSON, "json"), **dict.fromkeys(_TEXTS, "text"),
}  # fmt: skip
# The types that accept every value of a kind. A 4-byte integer does not accept every number.
_TAKES = {
    "moment": {"timestamp", "timestamptz", "date", "time", "timetz"},
    "number": {"int8", "numeric", "float4", "float8"},
    "uuid": {"uuid"},
    "json": {"json", "jsonb"},
    "text": set(),
}
_TEXTUAL = {"text", "varchar", "name", "bpchar"}  # a cast to a shorter one truncates, and does not fail
_OF_USERS = {"SVFOP_CURRENT_USER", "SVFOP_USER", "SVFOP_SESSION_USER", "SVFOP_CURRENT_ROLE", "SVFOP_CURRENT_CATALOG"}
_ALWAYS = CLOCKS | _UNIQUE | {"nextval", "concat", "concat_ws", "timeofday", "current_database", "version"} | (
    _JSON - {"to_json", "to_jsonb"}
)  # fmt: skip
_STRICT = STRICT | _NUMBERS | _TEXTS | {"to_json", "to_jsonb", "gen_random_bytes", "encode", "sha256", "age"}


def never_null(tree: Any) -> bool:  # noqa: C901, PLR0911 - one return per kind of expression
    """Return whether a default always gives a value, never NULL and never an error."""
    if is_a(tree, ast.A_Const):
        return not bool(tree.isnull)
    if is_a(tree, ast.SQLValueFunction):
        return bool(tree.op.name != "SVFOP_CURRENT_SCHEMA")
    if is_a(tree, ast.A_ArrayExpr):
        return cannot_fail(tree)
    if is_a(tree, ast.TypeCast):
        return never_null(tree.arg) and _taken(tree)
    if is_a(tree, ast.FuncCall):
        return _called(tree)
    if is_a(tree, ast.CoalesceExpr):
        return any(map(never_null, tree.args)) and all(never_null(arg) or cannot_fail(arg) for arg in tree.args)
    if is_a(tree, ast.CaseExpr):
        results = [tree.defresult, *(when.result for when in tree.args)]
        return all(map(never_null, results)) and all(cannot_fail(when.expr) for when in tree.args)
    if is_a(tree, ast.BoolExpr):
        return all(map(never_null, tree.args))
    if is_a(tree, ast.NullTest):
        return cannot_fail(tree.arg)
    if is_a(tree, ast.A_Expr) and tree.kind is A_Expr_Kind.AEXPR_OP and tree.lexpr is not None:
        known = operator(tree) in COMPARISONS | {"+", "-", "*", "||"}
        return known and never_null(tree.lexpr) and never_null(tree.rexpr)
    return False


def _called(tree: Any) -> bool:
    name = _name(tree)
    if name in _ALWAYS:
        return all(map(never_null, tree.args or ()))
    return name in _STRICT and bool(tree.args) and all(map(never_null, tree.args))


def _name(tree: Any) -> str | None:
    """Return the function's name. The UUID functions of extensions also count in `public`."""
    parts = [part.sval for part in tree.funcname]
    return parts[-1] if parts[0] == "public" and parts[-1] in _UNIQUE else function(tree)


def _taken(tree: Any) -> bool:
    """Return whether a cast cannot fail. PostgreSQL evaluates the cast of a constant when the default is set."""
    if is_a(tree.arg, ast.A_Const) or (is_a(tree.arg, ast.A_ArrayExpr) and tree.typeName.arrayBounds):
        return True
    target = of_tree(tree.typeName)
    if target.array or target.schema:
        return False
    return target.name in _TEXTUAL or target.name in _TAKES.get(_kind(tree.arg) or "", set())


def _kind(tree: Any) -> str | None:  # noqa: PLR0911 - one return per kind of expression
    """Return the kind of value that an expression gives, or None if it is unknown."""
    if is_a(tree, ast.SQLValueFunction):
        return "text" if tree.op.name in _OF_USERS else "moment"
    if is_a(tree, ast.FuncCall):
        return _KINDS.get(_name(tree) or "")
    if is_a(tree, ast.TypeCast):
        target = of_tree(tree.typeName)
        if target.array or target.schema:
            return None
        inside = [kind for kind, types in _TAKES.items() if target.name in types]
        return "text" if target.name in _TEXTUAL else inside[0] if inside else _small(target.name)
    if is_a(tree, ast.A_Const):
        return "number" if is_a(tree.val, ast.Integer, ast.Float) else None
    if is_a(tree, ast.A_Expr) and tree.kind is A_Expr_Kind.AEXPR_OP and tree.lexpr is not None:
        sides = {_kind(tree.lexpr), _kind(tree.rexpr)}
        if operator(tree) in {"+", "-"} and "moment" in sides and sides <= {"moment", "interval"}:
            return "moment" if sides == {"moment", "interval"} else None
        return "number" if operator(tree) in {"+", "-", "*"} and sides == {"number"} else None
    return None


def _small(name: str) -> str | None:
    return {"int2": "number", "int4": "number", "interval": "interval"}.get(name)


def differs_each_time(tree: Any) -> bool:
    """Return whether a default gives a different value for every row."""
    while is_a(tree, ast.TypeCast) and of_tree(tree.typeName) in {SqlType("text"), SqlType("varchar")}:
        tree = tree.arg
    return is_a(tree, ast.FuncCall) and _name(tree) in {"nextval"} | _UNIQUE
