"""The possible results of a CHECK for partly known rows (true, false or NULL), decided without evaluating it."""

from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import product
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType, NullTestType

from runbook.migrations.verdict.expressions import COMPARISONS, STRICT, columns_in, function, is_a, operator

_OF_PYTHON = {"=": eq, "<>": ne, "!=": ne, "<": lt, ">": gt, "<=": le, ">=": ge}
_STRICT_OPERATORS = COMPARISONS | {"+", "-", "*", "/", "%", "||", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*"}
_ANY: Final = frozenset({True, False, None})
_TOLD: Final = frozenset({True, False})
_MOST = 512  # combinations that are tried


class CannotTell(Exception):
    """The value of an expression cannot be derived."""


class Known(Enum):
    """What is known about a value that is itself unknown."""

    SOME = "not NULL"
    ANY = "nothing"


Truths = frozenset[bool | None]


def constant(tree: Any) -> Any:
    """Return the Python value of a constant. Raises CannotTell for any other expression."""
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
            return value.ival or 0
        case ast.String():
            return value.sval
        case ast.Boolean():
            return bool(value.boolval)
    raise CannotTell


def truths(tree: Any, values: Mapping[str, Any]) -> Truths:
    """Return the possible results of a check if its columns hold `values`: Python values, None (NULL) or a Known.

    A column that is not in `values` may hold anything.
    """
    if is_a(tree, ast.NullTest):
        nulls: Truths = frozenset(value is None for value in _possible_nulls(tree.arg, values))
        return nulls if tree.nulltesttype is NullTestType.IS_NULL else frozenset(not each for each in nulls)
    if is_a(tree, ast.BoolExpr):
        return _combined(tree.boolop, [truths(arg, values) for arg in tree.args])
    if is_a(tree, ast.BooleanTest):
        return frozenset(_tested(tree.booltesttype, each) for each in truths(tree.arg, values))
    if is_a(tree, ast.A_Expr):
        return _compared(tree, values)
    value = _value(tree, values)
    if value is None or isinstance(value, bool):
        return frozenset({value})
    return _TOLD if value is Known.SOME else _ANY


def _combined(kind: BoolExprType, found: list[Truths]) -> Truths:
    if kind is BoolExprType.NOT_EXPR:
        return frozenset(None if each is None else not each for each in found[0])
    decisive = kind is BoolExprType.OR_EXPR
    so_far: Truths = frozenset({not decisive})
    for each in found:
        so_far = frozenset(_pair_of(decisive, left, right) for left in so_far for right in each)
    return so_far


def _pair_of(decisive: bool, left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 - truths are values here
    if decisive in (left, right):
        return decisive
    return None if None in (left, right) else not decisive


def _tested(kind: BoolTestType, value: bool | None) -> bool:  # noqa: FBT001 - a truth is a value here
    wanted = {
        BoolTestType.IS_TRUE: (True,), BoolTestType.IS_NOT_TRUE: (False, None), BoolTestType.IS_FALSE: (False,),
        BoolTestType.IS_NOT_FALSE: (True, None), BoolTestType.IS_UNKNOWN: (None,),
        BoolTestType.IS_NOT_UNKNOWN: (True, False),
    }  # fmt: skip
    return value in wanted[kind]


def _possible_nulls(tree: Any, values: Mapping[str, Any]) -> list[Any]:
    """Return the values that a tree may have, with an unknown one split into None and Known.SOME."""
    value = _value(tree, values)
    return [None, Known.SOME] if value is Known.ANY else [value]


def _compared(tree: Any, values: Mapping[str, Any]) -> Truths:
    kind = tree.kind
    if kind in {A_Expr_Kind.AEXPR_DISTINCT, A_Expr_Kind.AEXPR_NOT_DISTINCT}:
        return _distinct(tree, values, same=kind is A_Expr_Kind.AEXPR_NOT_DISTINCT)
    if kind in {A_Expr_Kind.AEXPR_IN, A_Expr_Kind.AEXPR_OP_ANY}:
        return _one_of(tree, values)
    if kind in {A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE, A_Expr_Kind.AEXPR_BETWEEN}:
        sides = [tree.lexpr, *(tree.rexpr if isinstance(tree.rexpr, tuple) else (tree.rexpr,))]
        nulls = [_value(side, values) for side in sides]
        return frozenset({None}) if kind is not A_Expr_Kind.AEXPR_BETWEEN and None in nulls else _of(nulls)
    if kind is not A_Expr_Kind.AEXPR_OP or tree.lexpr is None:
        return _ANY
    return _pair(operator(tree), _side(tree.lexpr, values), _side(tree.rexpr, values))


def _of(nulls: list[Any]) -> Truths:
    """Return the possible results of a comparison that is known only to be not NULL if neither side is NULL."""
    return _TOLD if Known.ANY not in nulls and None not in nulls else _ANY


def _side(tree: Any, values: Mapping[str, Any]) -> Any:
    """Return the value on one side of a comparison. A boolean expression there has a value if only one is possible."""
    if is_a(tree, ast.NullTest, ast.BoolExpr, ast.BooleanTest):
        found = truths(tree, values)
        return next(iter(found)) if len(found) == 1 else Known.ANY if None in found else Known.SOME
    return _value(tree, values)


def _distinct(tree: Any, values: Mapping[str, Any], *, same: bool) -> Truths:
    left, right = _side(tree.lexpr, values), _side(tree.rexpr, values)
    if None in (left, right):
        other = right if left is None else left
        return _TOLD if other is Known.ANY else frozenset({(other is None) is same})
    if isinstance(left, Known) or isinstance(right, Known):
        return _TOLD
    return frozenset(each is same for each in _pair("=", left, right)) if _pair("=", left, right) <= _TOLD else _TOLD


def _one_of(tree: Any, values: Mapping[str, Any]) -> Truths:
    left = _value(tree.lexpr, values)
    if left is None:
        return frozenset({None})
    members = tree.rexpr
    if tree.kind is A_Expr_Kind.AEXPR_OP_ANY:
        while is_a(members, ast.TypeCast):
            members = members.arg
        members = members.elements if is_a(members, ast.A_ArrayExpr) else None
    name = operator(tree)
    if members is None or name not in {"=", "<>"} or (name == "<>" and tree.kind is A_Expr_Kind.AEXPR_OP_ANY):
        return _ANY
    among = _combined(BoolExprType.OR_EXPR, [_pair("=", left, _value(member, values)) for member in members])
    return among if name == "=" else _combined(BoolExprType.NOT_EXPR, [among])


def _pair(name: str, left: Any, right: Any) -> Truths:
    if None in (left, right):
        return frozenset({None}) if name in _STRICT_OPERATORS else _ANY
    if isinstance(left, Known) or isinstance(right, Known):
        return _ANY if Known.ANY in (left, right) or name not in COMPARISONS else _TOLD
    if name not in COMPARISONS:
        return _ANY
    if type(left) is not type(right) or (isinstance(left, str) and name not in {"=", "<>", "!="}):
        return _TOLD  # a cast or a collation decides
    return frozenset({bool(_OF_PYTHON[name](left, right))})


def _value(tree: Any, values: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one return per kind of expression
    if is_a(tree, ast.ColumnRef):
        name = columns_in(tree)
        return values.get(name[0], Known.ANY) if name else Known.ANY
    if is_a(tree, ast.CoalesceExpr):
        found = [_value(arg, values) for arg in tree.args]
        left = [each for each in found if each is not None]
        if not left:
            return None
        return left[0] if not isinstance(left[0], Known) else Known.SOME if left[0] is Known.SOME else Known.ANY
    if is_a(tree, ast.FuncCall) and function(tree) in STRICT:
        return None if any(_value(arg, values) is None for arg in tree.args or ()) else Known.ANY
    if is_a(tree, ast.FuncCall) and function(tree) in {"num_nulls", "num_nonnulls"}:
        return _counted(tree, values)
    if is_a(tree, ast.A_Expr) and tree.kind is A_Expr_Kind.AEXPR_OP and tree.lexpr is not None:
        sides = (_value(tree.lexpr, values), _value(tree.rexpr, values))
        return None if None in sides and operator(tree) in _STRICT_OPERATORS else Known.ANY
    if is_a(tree, ast.TypeCast) and not is_a(tree.arg, ast.A_Const):
        inner = _value(tree.arg, values)
        return None if inner is None else Known.ANY if inner is Known.ANY else Known.SOME
    try:
        return constant(tree)
    except CannotTell:
        inner = tree.arg if is_a(tree, ast.TypeCast) else tree
        return Known.SOME if is_a(inner, ast.A_Const) and not inner.isnull else Known.ANY


def _counted(tree: Any, values: Mapping[str, Any]) -> Any:
    found = [_value(arg, values) for arg in tree.args or ()]
    if Known.ANY in found or tree.func_variadic:
        return Known.SOME
    nulls = sum(each is None for each in found)
    return nulls if function(tree) == "num_nulls" else len(found) - nulls


def outcomes(tree: Any, columns: Mapping[str, Iterable[Any]]) -> list[Truths]:
    """Return the possible results of a check for each combination of the values that its columns may hold.

    With more than 512 combinations, the only element says that any result is possible.
    """
    names = list(columns)
    choices = [list(columns[name]) for name in names]
    size = 1
    for each in choices:
        size *= len(each)
    if size > _MOST:
        return [_ANY]
    return [truths(tree, dict(zip(names, each, strict=True))) for each in product(*choices)]
