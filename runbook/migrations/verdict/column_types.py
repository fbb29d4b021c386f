"""Rules for a change of a column's type, for code that was written for the old type.

The values that a type holds: https://www.postgresql.org/docs/current/datatype.html. The values that it accepts from
another type: https://www.postgresql.org/docs/current/typeconv-query.html. Code reads the value that its driver makes.
"""

from dataclasses import dataclass
from typing import Any

from pglast import parse_sql
from pglast.ast import A_Const, Integer, SelectStmt, TypeCast
from pglast.parser import ParseError

from runbook.migrations.verdict.expressions import is_a
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Verdict

# Types by the kind of Python value that every driver makes of them.
_FAMILIES = {
    "integer": ("int2", "int4", "int8"),
    "number": ("numeric", "float4", "float8"),
    "text": ("text", "varchar", "bpchar"),
    "truth value": ("bool",),
    "date": ("date",),
    "moment": ("timestamp", "timestamptz"),
    "time of day": ("time", "timetz"),
    "duration": ("interval",),
    "JSON": ("json", "jsonb"),
    "bytes": ("bytea",),
    "UUID": ("uuid",),
}
_FAMILY = {name: family for family, names in _FAMILIES.items() for name in names}
# Families whose values drivers or casts may accept for one another: for review.
_NEAR = ({"integer", "number"}, {"date", "moment"}, {"text", "UUID"})
SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8"} | dict.fromkeys(
    ("smallserial", "serial2"), "int2"
)
# Types that are not domains, so they accept NULL and every value of the type. The last row is base types of extensions.
_PLAIN = {
    *_FAMILY, *SERIALS, "inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "money", "xml", "bit", "varbit",
    "point", "line", "lseg", "box", "path", "polygon", "circle", "int4range", "int8range", "numrange", "tsrange",
    "tstzrange", "daterange", "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange",
    "datemultirange", "oid", "name", "pg_lsn", "jsonpath",
    "citext", "hstore", "ltree", "geometry", "geography", "vector",
}  # fmt: skip
_SAME_WORDS = {
    "int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "decimal": "numeric", "boolean": "bool",
    "datetime": "timestamp", "double": "float8", "string": "varchar",
}  # fmt: skip


@dataclass(frozen=True)
class SqlType:
    """A type: its catalog name, its modifiers (length; precision and scale), and whether it is an array."""

    name: str
    mods: tuple[int, ...] = ()
    array: bool = False
    schema: str | None = None

    @property
    def family(self) -> str | None:
        """The kind of Python value that drivers make of it, or None if that is unknown."""
        return None if self.array or self.schema else _FAMILY.get(self.name)

    @property
    def plain(self) -> bool:
        """Whether it is certain not to be a domain. A domain might refuse NULL."""
        return self.schema is None and self.name in _PLAIN

    @property
    def unbounded(self) -> bool:
        """Whether its values have no length limit, so that one may be too long for a B-tree."""
        return self.name in {"text", "bytea", "json", "jsonb"} or (self.name == "varchar" and not self.mods)

    def __str__(self) -> str:
        mods = f"({','.join(map(str, self.mods))})" if self.mods else ""
        return f"{self.schema + '.' if self.schema else ''}{self.name}{mods}{'[]' if self.array else ''}"


def of_tree(tree: Any) -> SqlType:
    """Return the type in a syntax tree."""
    parts = [part.sval for part in tree.names]
    if parts[0] == "pg_catalog":
        parts = parts[1:]
    name = parts[-1]
    mods = tuple(map(_modifier, tree.typmods or ()))
    schema = parts[0] if len(parts) > 1 else None
    if tree.setof or tree.pct_type:
        return SqlType(name, mods, schema=schema or "%TYPE")
    if name == "bpchar" and not mods:
        mods = (1,)
    return SqlType(SERIALS.get(name, name), mods, bool(tree.arrayBounds), schema)


def _modifier(tree: Any) -> int:
    return int(tree.val.ival or 0) if is_a(tree, A_Const) and is_a(tree.val, Integer) else -1


def of_text(text: str) -> SqlType | None:
    """Return the type that a model declares, or None if PostgreSQL would not understand its name."""
    try:
        trees = parse_sql(f"SELECT NULL::{_SAME_WORDS.get(text.strip().lower(), text)}")
    except (ParseError, UnicodeEncodeError):
        return None
    statement: Any = trees[0].stmt if len(trees) == 1 else None
    if "\0" in text or not is_a(statement, SelectStmt) or len(statement.targetList or ()) != 1:
        return None
    cast = statement.targetList[0].val
    if not is_a(cast, TypeCast) or not is_a(cast.arg, A_Const) or statement.fromClause:
        return None
    return of_tree(cast.typeName)


def change(old: SqlType, new: SqlType) -> tuple[Verdict, str]:
    """Judge a column that the code declares as `old` and whose type is now `new`."""
    if old == new:
        return ADDITIVE, f"{new} is what the target's code declares"
    if old.family is None or new.family is None:
        return REVIEW, f"there is no rule for a change from {old} to {new}"
    if old.family == new.family:
        return _within(old, new)
    if {old.family, new.family} in _NEAR:
        return REVIEW, f"the code reads {_a(new.family)} where it expects {_a(old.family)}"
    reason = (
        f"the code reads {_a(new.family)} where it expects {_a(old.family)}, "
        f"and PostgreSQL does not accept or compare its {old} values as {new}"
    )
    return BREAKING, reason


def _within(old: SqlType, new: SqlType) -> tuple[Verdict, str]:
    if _holds_all(old, new):
        return ADDITIVE, f"{new} accepts every value of {old} and is read as the same kind of value"
    if _cuts(old, new):
        return BREAKING, f"{new} refuses values that the code may write as {old}"
    return REVIEW, f"{new} may refuse or alter the values that the code writes as {old}"


def _cuts(old: SqlType, new: SqlType) -> bool:
    """Return whether values within the limit that the code declares are too large now."""
    if old.family == "integer":
        return True
    if old.family == "text":
        return bool(old.mods and new.mods) and new.mods[0] < old.mods[0]
    if old.name == new.name == "numeric" and old.mods and new.mods:
        before, after = [*old.mods, 0][:2], [*new.mods, 0][:2]
        return after[0] - after[1] < before[0] - before[1]
    return False


def _holds_all(old: SqlType, new: SqlType) -> bool:
    if old.name == "json" and new.name == "jsonb":
        return True
    if old.family == "integer":
        return int(new.name[3:]) >= int(old.name[3:])
    if old.family == "text" and "bpchar" not in {old.name, new.name}:
        return not new.mods or (bool(old.mods) and new.mods[0] >= old.mods[0])
    if old.name == new.name == "numeric":
        return not new.mods or (bool(old.mods) and new.mods[1:] == old.mods[1:] and new.mods[0] >= old.mods[0])
    return False


def _a(family: str) -> str:
    return family if family in {"text", "bytes", "JSON"} else f"{'an' if family == 'integer' else 'a'} {family}"
