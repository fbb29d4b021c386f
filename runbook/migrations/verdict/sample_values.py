"""Sample values that the target's code could write to a column, by the declared type. Untyped, as drivers send them.

Two rows differ in every column whose type has at least two values. If the second row is refused as a duplicate, the
duplicate values are therefore in columns that the code does not write.
"""

from runbook.migrations.image.mapped_models import MappedColumn
from runbook.migrations.verdict.column_types import SqlType, of_text

_FIXED = {
    "inet": "'10.0.0.{}'", "cidr": "'10.{}.0.0/16'", "macaddr": "'08:00:2b:01:02:0{}'", "tsvector": "'a{}'",
    "citext": "'{}n'", "hstore": "'a=>{}'", "ltree": "'n{}'", "money": "{}", "xml": "'<n{}/>'", "name": "'n{}'",
    "point": "'({},0)'", "oid": "{}", "int4range": "'[{0},{0}]'", "int8range": "'[{0},{0}]'",
    "numrange": "'[{0},{0}]'", "daterange": "'[202{0}-01-01,202{0}-01-02)'",
    "tsrange": "'[202{0}-01-01,202{0}-01-02)'", "tstzrange": "'[202{0}-01-01,202{0}-01-02)'",
}  # fmt: skip
_FAMILIES = {
    "date": "'202{}-01-01'", "moment": "'202{}-01-01 10:00:00'", "time of day": "'1{}:00:00'", "duration": "'{} day'",
    "JSON": """'{{"n": {}}}'""", "bytes": r"'\x0{}'",
}  # fmt: skip
_LARGEST = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}
_LONGEST = 10_000  # characters of a sample text


def sample(column: MappedColumn, number: int, row: int = 0) -> str | None:
    """Return a value for column `number` of its table in row `row` (0 to 9), or None if no rule makes one.

    >>> sample(MappedColumn("a", "VARCHAR(20)", nullable=False), 3, row=1)
    "'1n3'"
    """
    if column.labels:
        return "'" + column.labels[row % len(column.labels)].replace("'", "''") + "'"
    kind = of_text(column.type)
    if kind is None:
        return None
    if kind.array:
        return "'{}'"
    if kind.schema is not None:
        return None
    if kind.family == "truth value":
        return "false" if row % 2 else "true"
    fixed = _FAMILIES.get(kind.family or "") or _FIXED.get(kind.name)
    return fixed.format(row) if fixed is not None else _of_family(kind, number, row)


def _of_family(kind: SqlType, number: int, row: int) -> str | None:
    match kind.family:
        case "integer":
            return str(number + 100 * row)
        case "number":
            digits, scale = (*kind.mods, 0)[:2] if kind.mods else (9, 0)
            return str(row) if digits > scale else f"0.{row}"
        case "text" if kind.mods in {(32,), (36,)}:  # often a UUID, so the sample is one
            text = f"{row}0000000-0000-0000-0000-{number:012}"
            return f"'{text if kind.mods == (36,) else text.replace('-', '')}'"
        case "text":
            return "'" + f"{row}n{number}"[: kind.mods[0] if kind.mods else 9] + "'"
        case "UUID":
            return f"'{row}0000000-0000-0000-0000-{number:012}'"
    return None


def largest(column: MappedColumn) -> str | None:
    """Return the largest value that the declared type accepts, or None if it has no limit, or labels.

    >>> largest(MappedColumn("a", "NUMERIC(4, 2)", nullable=False))
    '99.99'
    """
    kind = of_text(column.type)
    if kind is None or column.labels or kind.array or kind.schema:
        return None
    if kind.name in _LARGEST:
        return str(_LARGEST[kind.name])
    if kind.family == "text" and kind.mods and 0 < kind.mods[0] <= _LONGEST:
        return f"'{'n' * kind.mods[0]}'"
    if kind.name == "numeric" and kind.mods and 0 <= (*kind.mods, 0)[1] <= kind.mods[0]:
        digits, scale = (*kind.mods, 0)[:2]
        return f"{'9' * (digits - scale) or '0'}.{'9' * scale}".rstrip(".")
    return None


def comparable(column: MappedColumn) -> bool:
    """Return whether a value that is read back can be compared with the one that was written."""
    kind = of_text(column.type)
    known = kind is not None and kind.family is not None and kind.name != "json"
    return bool(column.labels) or known
