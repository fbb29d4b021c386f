"""Whether an SQL expression may fail, be NULL or change anything, decided without evaluating it.

The lists are allowlists: a function or operator that is not on them may do anything. The functions are PostgreSQL's own
(https://www.postgresql.org/docs/current/functions.html). PostgreSQL searches pg_catalog before every other schema.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType

CLOCKS = {
    "now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "gen_random_uuid", "uuid_generate_v4",
    "uuid_generate_v1", "uuidv4", "uuidv7", "random",
}  # fmt: skip
# Functions that never fail for any text or number, and return NULL only for a NULL argument.
STRICT_TOTAL = {"lower", "upper", "btrim", "ltrim", "rtrim", "md5", "length", "char_length", "abs", "initcap"}
_TOTAL = CLOCKS | STRICT_TOTAL | {"concat", "concat_ws"}
STRICT = STRICT_TOTAL | {"timezone", "to_char", "date_trunc"}
PURE = _TOTAL | STRICT | {
    "replace", "substring", "substr", "split_part", "strpos", "position", "left", "right", "lpad", "rpad", "repeat",
    "regexp_replace", "regexp_match", "round", "ceil", "ceiling", "floor", "trunc", "mod", "power", "sqrt", "greatest",
    "to_date", "to_timestamp", "to_number", "date_part", "extract", "age", "make_date", "make_interval",
    "count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or", "json_agg", "jsonb_agg",
    "row_number", "rank", "dense_rank", "generate_series", "unnest", "array_length", "cardinality", "array_to_string",
    "string_to_array", "jsonb_build_object", "json_build_object", "jsonb_build_array", "to_json", "to_jsonb",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_set", "jsonb_typeof", "jsonb_array_length",
    "to_tsvector", "encode", "decode", "sha256", "format", "quote_literal", "version", "current_database",
    "current_schema", "current_setting", "like_escape", "xmlcomment", "pg_sleep", "uuid_in", "nullif", "array_remove",
    "jsonb_strip_nulls", "jsonb_object_agg", "array_append", "array_cat", "array_position", "translate", "reverse",
    "to_hex", "hashtext", "gen_random_bytes", "uuid_generate_v7", "regexp_split_to_array", "starts_with", "unistr",
}  # fmt: skip
COMPARISONS = {"=", "<>", "!=", "<", ">", "<=", ">="}
_OF_JSON = {"->", "->>", "#>", "#>>", "@>", "<@", "?"}  # an absent key gives NULL, or false
_OPERATORS = COMPARISONS | _OF_JSON | {"||", "+", "-", "*", "/", "%", "~~", "!~~", "~~*", "!~~*"}
NEVER_FAILING = COMPARISONS | _OF_JSON | {"||", "~~", "!~~", "~~*", "!~~*"}
WRITERS = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.IntoClause, ast.LockingClause)
_CANNOT_FAIL = (
    ast.A_Const, ast.ColumnRef, ast.CoalesceExpr, ast.NullTest, ast.BoolExpr, ast.BooleanTest, ast.SQLValueFunction,
    ast.A_ArrayExpr, ast.String, ast.Integer, ast.Float, ast.Boolean, ast.CaseExpr, ast.CaseWhen, ast.MinMaxExpr,
    ast.BitString, ast.TypeName,
)  # fmt: skip


def is_a(node: Any, *kinds: type[ast.Node]) -> bool:
    """Return whether a node is of one of `kinds`, without narrowing its type.

    The node stays Any, because pglast types nearly every member as optional.
    """
    return isinstance(node, kinds)


def walk(tree: Any, *, into: Callable[[Any], bool] = lambda _: True) -> Iterator[ast.Node]:
    """Yield every node of a tree, without recursion, because trees may be deep. `into` says which nodes to descend."""
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
    """Return the columns that an expression names, each once."""
    refs: list[Any] = [node for node in walk(tree) if is_a(node, ast.ColumnRef)]
    return list(dict.fromkeys(ref.fields[-1].sval for ref in refs if is_a(ref.fields[-1], ast.String)))


def changed_where_null(update: Any) -> set[str]:
    """Return the columns that are NULL in every row that an UPDATE changes, according to its WHERE clause."""
    alias = update.relation.alias
    return set(_null_columns(update.whereClause, alias.aliasname if alias is not None else update.relation.relname))


def _null_columns(tree: Any, table: str) -> Iterator[str]:
    if is_a(tree, ast.BoolExpr) and tree.boolop is BoolExprType.AND_EXPR:
        for arg in tree.args:
            yield from _null_columns(arg, table)
    elif is_a(tree, ast.NullTest) and tree.nulltesttype is NullTestType.IS_NULL and is_a(tree.arg, ast.ColumnRef):
        parts = [getattr(part, "sval", "*") for part in tree.arg.fields]
        if len(parts) == 1 or (len(parts) == 2 and parts[0] == table):
            yield parts[-1]


def only_reads(tree: Any, *, but: Any = None) -> bool:
    """Return whether a tree changes nothing, except through its root `but`.

    It may contain no other writing statement, and only functions and operators on the lists.
    """
    for node in walk(tree):
        if isinstance(node, WRITERS) and node is not but:
            return False
        if isinstance(node, ast.FuncCall) and function(node) not in PURE:
            return False
        if isinstance(node, ast.A_Expr) and node.kind is A_Expr_Kind.AEXPR_OP and operator(node) not in _OPERATORS:
            return False
    return True


def cannot_fail(tree: Any) -> bool:
    """Return whether evaluating an expression never raises an error, for any row."""
    return all(_node_cannot_fail(node) for node in walk(tree, into=lambda node: not _constant_cast(node)))


def _node_cannot_fail(node: Any) -> bool:
    if isinstance(node, ast.FuncCall):
        return function(node) in _TOTAL or _splits(node)
    if isinstance(node, ast.A_Expr):
        return node.kind is not A_Expr_Kind.AEXPR_OP or operator(node) in NEVER_FAILING
    return isinstance(node, _CANNOT_FAIL) or _constant_cast(node) or _cast_to_text(node)


def _splits(node: Any) -> bool:
    """Return whether a call is split_part with a constant position other than 0, for which it fails."""
    place: Any = node.args[2] if function(node) == "split_part" and len(node.args or ()) == 3 else None
    return is_a(place, ast.A_Const) and is_a(place.val, ast.Integer) and bool(place.val.ival)


def _constant_cast(node: Any) -> bool:
    """Return whether a node casts a constant. PostgreSQL evaluates it with the DDL, so it cannot fail later."""
    return isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.A_Const)


def _cast_to_text(node: Any) -> bool:
    return is_a(node, ast.TypeCast) and node.typeName.names[-1].sval == "text"


def function(node: Any) -> str | None:
    """Return the name of a function without pg_catalog, or None if another schema qualifies it."""
    parts = [part.sval for part in node.funcname]
    return None if len(parts) > 1 and parts[0] != "pg_catalog" else parts[-1]


def operator(node: Any) -> str:
    """Return an operator without pg_catalog, or an empty string if another schema qualifies it."""
    parts = [part.sval for part in node.name]
    return "" if len(parts) > 1 and parts[0] != "pg_catalog" else str(parts[-1])
