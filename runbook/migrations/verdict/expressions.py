"""Tells of an SQL expression, without running it, whether it may fail, be NULL, or change anything.

The lists are closed: what is not on them may do anything. Functions are PostgreSQL's own
(https://www.postgresql.org/docs/current/functions.html); pg_catalog is searched before every other schema.
"""

from collections.abc import Callable, Iterator, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType

_CLOCKS = {
    "now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "gen_random_uuid", "uuid_generate_v4",
    "uuid_generate_v1", "uuidv4", "uuidv7", "random",
}  # fmt: skip
# Never fail whatever text or number they get; NULL only for a NULL argument.
_STRICT_TOTAL = {"lower", "upper", "btrim", "ltrim", "rtrim", "md5", "length", "char_length", "abs", "initcap"}
_TOTAL = _CLOCKS | _STRICT_TOTAL | {"concat", "concat_ws"}
_STRICT = _STRICT_TOTAL | {"timezone", "to_char", "date_trunc"}
_PURE = _TOTAL | _STRICT | {
    "replace", "substring", "substr", "split_part", "strpos", "position", "left", "right", "lpad", "rpad", "repeat",
    "regexp_replace", "regexp_match", "round", "ceil", "ceiling", "floor", "trunc", "mod", "power", "sqrt", "greatest",
    "to_date", "to_timestamp", "to_number", "date_part", "extract", "age", "make_date", "make_interval",
    "count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or", "json_agg", "jsonb_agg",
    "row_number", "rank", "dense_rank", "generate_series", "unnest", "array_length", "cardinality", "array_to_string",
    "string_to_array", "jsonb_build_object", "json_build_object", "jsonb_build_array", "to_json", "to_jsonb",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_set", "jsonb_typeof", "jsonb_array_length",
    "to_tsvector", "encode", "decode", "sha256", "format", "quote_literal", "version", "current_database",
    "current_schema", "current_setting", "like_escape", "xmlcomment", "pg_sleep",
}  # fmt: skip
_COMPARISONS = {"=", "<>", "!=", "<", ">", "<=", ">="}
_OF_PYTHON = {"=": eq, "<>": ne, "!=": ne, "<": lt, ">": gt, "<=": le, ">=": ge}
_OPERATORS = _COMPARISONS | {"||", "+", "-", "*", "/", "%", "~~", "!~~", "~~*", "!~~*", "->", "->>", "#>", "#>>", "@>"}
_WRITERS = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.IntoClause, ast.LockingClause)
_CANNOT_FAIL = (
    ast.A_Const, ast.ColumnRef, ast.CoalesceExpr, ast.NullTest, ast.BoolExpr, ast.BooleanTest, ast.SQLValueFunction,
    ast.A_ArrayExpr, ast.String, ast.Integer, ast.Float, ast.Boolean, ast.CaseExpr, ast.CaseWhen, ast.MinMaxExpr,
    ast.BitString, ast.TypeName,
)  # fmt: skip


def is_a(node: Any, *kinds: type[ast.Node]) -> bool:
    """Tell the class of a node and leave it Any: pglast types nearly every member as one that may be None."""
    return isinstance(node, kinds)


class CannotTell(Exception):
    """The value of an expression does not follow from what is known."""


def walk(tree: Any, *, into: Callable[[Any], bool] = lambda _: True) -> Iterator[ast.Node]:
    """Every node of a tree, without recursion, since trees may be deep; `into` says where to go on downwards."""
    pending = [tree]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple | list):
            pending.extend(reversed(item))
        elif isinstance(item, ast.Node):
            yield item
            if into(item):
                pending.extend(getattr(item, name) for name in item)


def columns_in(tree: Any) -> list[str]:
    """The columns that an expression names, each once."""
    refs: list[Any] = [node for node in walk(tree) if is_a(node, ast.ColumnRef)]
    return list(dict.fromkeys(ref.fields[-1].sval for ref in refs if is_a(ref.fields[-1], ast.String)))


def only_reads(tree: Any, *, but: Any = None) -> bool:
    """Tell whether a tree changes nothing but what its root `but` says: no other writer, no function off the list."""
    for node in walk(tree):
        if isinstance(node, _WRITERS) and node is not but:
            return False
        if isinstance(node, ast.FuncCall) and _function(node) not in _PURE:
            return False
        if isinstance(node, ast.A_Expr) and node.kind is A_Expr_Kind.AEXPR_OP and _operator(node) not in _OPERATORS:
            return False
    return True


def cannot_fail(tree: Any) -> bool:
    """Tell whether an expression has a value on every row: computing it never raises an error."""
    return all(_node_cannot_fail(node) for node in walk(tree, into=lambda node: not _constant_cast(node)))


def _node_cannot_fail(node: Any) -> bool:
    if isinstance(node, ast.FuncCall):
        return _function(node) in _TOTAL
    if isinstance(node, ast.A_Expr):
        return node.kind is not A_Expr_Kind.AEXPR_OP or _operator(node) in _COMPARISONS | {"||", "~~", "~~*"}
    return isinstance(node, _CANNOT_FAIL) or _constant_cast(node) or _cast_to_text(node)


def _constant_cast(node: Any) -> bool:
    """A cast of a constant: PostgreSQL computes it when the column or index is made, so it has not failed."""
    return isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.A_Const)


def _cast_to_text(node: Any) -> bool:
    return is_a(node, ast.TypeCast) and node.typeName.names[-1].sval == "text"


def never_null(tree: Any) -> bool:  # noqa: PLR0911 - one kind of expression a return
    """Tell whether a default always gives a value, and neither NULL nor an error."""
    if is_a(tree, ast.A_Const):
        return not bool(tree.isnull)
    if is_a(tree, ast.SQLValueFunction, ast.A_ArrayExpr):
        return cannot_fail(tree)
    if is_a(tree, ast.TypeCast):
        return never_null(tree.arg) and (isinstance(tree.arg, ast.A_Const | ast.A_ArrayExpr) or _cast_to_text(tree))
    if is_a(tree, ast.FuncCall):
        if _function(tree) in _CLOCKS | {"nextval"}:
            return True
        return _function(tree) in _STRICT and bool(tree.args) and all(map(never_null, tree.args))
    if is_a(tree, ast.A_Expr) and tree.kind is A_Expr_Kind.AEXPR_OP and _operator(tree) in {"+", "-", "||"}:
        return never_null(tree.lexpr) and never_null(tree.rexpr)
    return False


def differs_each_time(tree: Any) -> bool:
    """Tell whether a default gives another value for every row."""
    return isinstance(tree, ast.FuncCall) and _function(tree) in {
        "nextval", "gen_random_uuid", "uuid_generate_v4", "uuid_generate_v1", "uuidv4", "uuidv7"
    }  # fmt: skip


def constant(tree: Any) -> Any:
    """The Python value of a constant. Raises CannotTell for anything else."""
    if is_a(tree, ast.TypeCast) and is_a(tree.arg, ast.A_Const):
        if tree.typeName.names[-1].sval not in {"text", "varchar", "bool", "int2", "int4", "int8"}:
            raise CannotTell
        return constant(tree.arg)
    if not isinstance(tree, ast.A_Const):
        raise CannotTell
    value = None if tree.isnull else tree.val
    match value:
        case None:
            return None
        case ast.Integer():
            return value.ival
        case ast.String():
            return value.sval
        case ast.Boolean():
            return value.boolval
    raise CannotTell


def holds(tree: Any, values: Mapping[str, Any]) -> bool | None:
    """The truth of a check for known column values: True, False, or None for NULL. Raises CannotTell otherwise."""
    if is_a(tree, ast.NullTest):
        null = _value(tree.arg, values) is None
        return null if tree.nulltesttype is NullTestType.IS_NULL else not null
    if is_a(tree, ast.BoolExpr):
        found = [holds(arg, values) for arg in tree.args]
        if tree.boolop is BoolExprType.NOT_EXPR:
            return None if found[0] is None else not found[0]
        decisive = tree.boolop is BoolExprType.OR_EXPR
        return decisive if decisive in found else None if None in found else not decisive
    if is_a(tree, ast.A_Expr):
        return _compared(tree, values)
    value = _value(tree, values)
    if value is None or isinstance(value, bool):
        return value
    raise CannotTell


def _compared(tree: Any, values: Mapping[str, Any]) -> bool | None:
    left = _value(tree.lexpr, values)
    if tree.kind is A_Expr_Kind.AEXPR_IN or tree.kind is A_Expr_Kind.AEXPR_OP_ANY:
        if tree.kind is A_Expr_Kind.AEXPR_OP_ANY and not isinstance(tree.rexpr, ast.A_ArrayExpr):
            raise CannotTell
        members = tree.rexpr.elements if tree.kind is A_Expr_Kind.AEXPR_OP_ANY else tree.rexpr
        if _operator(tree) != "=":
            raise CannotTell
        found = [_pair("=", left, _value(member, values)) for member in members]
        return True if True in found else None if None in found else False
    if tree.kind is not A_Expr_Kind.AEXPR_OP:
        raise CannotTell
    return _pair(_operator(tree), left, _value(tree.rexpr, values))


def _pair(operator: str, left: Any, right: Any) -> bool | None:
    if operator not in _COMPARISONS:
        raise CannotTell
    if left is None or right is None:
        return None
    if type(left) is not type(right) or (isinstance(left, str) and operator not in {"=", "<>", "!="}):
        raise CannotTell  # a cast or a collation decides
    return bool(_OF_PYTHON[operator](left, right))


def _value(tree: Any, values: Mapping[str, Any]) -> Any:
    if is_a(tree, ast.ColumnRef):
        name = columns_in(tree)
        if len(tree.fields) != 1 or not name or name[0] not in values:
            raise CannotTell
        return values[name[0]]
    if isinstance(tree, ast.FuncCall) and _function(tree) in _STRICT:
        if any(_value(arg, values) is None for arg in tree.args or ()):
            return None
        raise CannotTell
    return constant(tree)


def _function(node: Any) -> str | None:
    """The bare name of one of PostgreSQL's functions; None for one of a schema of the project's."""
    parts = [part.sval for part in node.funcname]
    return None if len(parts) > 1 and parts[0] != "pg_catalog" else parts[-1]


def _operator(node: Any) -> str:
    return str(node.name[-1].sval)
