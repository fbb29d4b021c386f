"""The data that SQL may destroy, statement by statement, decided by an allowlist of harmless statements.

A statement that is not on the list, or that cannot be parsed, is an unknown harm. This is deliberate: a harmless
statement missing from the list costs a person one look, a harmful one on it costs data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import DropBehavior, ObjectType, OnConflictAction, VariableSetKind

from runbook.migrations.verdict.column_types import SERIALS, SqlType, of_tree
from runbook.migrations.verdict.expressions import changed_where_null, walk
from runbook.migrations.verdict.statements import Statement, statements_of
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name, Unclear, from_parts, named


class How(StrEnum):
    """The effect on the rows or values."""

    DROPPED = "dropped"
    EMPTIED = "emptied"
    DELETED = "rows deleted"
    OVERWRITTEN = "overwritten"
    RETYPED = "changed to another type"
    DETACHED = "detached"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Harm:
    """A table or column that one statement may destroy. `how` is UNKNOWN if the SQL does not say.

    `statement` is shortened to one line. `cascades`: tables with foreign keys to this one may lose rows too.
    `new_type` is the new type of a retyped column, or None if it is not a plain type or the values are computed.
    `renamed`: earlier statements have renamed objects, so the name no longer means what it meant before the SQL ran.
    """

    how: How
    statement: str
    table: Name | None = None
    column: str | None = None
    cascades: bool = False
    new_type: SqlType | None = None
    renamed: bool = False


#: Statements that destroy nothing. A query or function inside them may.
_HARMLESS = (
    ast.CommentStmt, ast.CreateStmt, ast.CreateTableAsStmt, ast.IndexStmt, ast.ViewStmt, ast.CreateEnumStmt,
    ast.CompositeTypeStmt, ast.CreateDomainStmt, ast.CreateSchemaStmt, ast.CreateSeqStmt, ast.CreateFunctionStmt,
    ast.CreateTrigStmt, ast.CreateExtensionStmt, ast.CreatePolicyStmt, ast.CreateStatsStmt, ast.CreateRangeStmt,
    ast.CreateCastStmt, ast.AlterEnumStmt, ast.AlterOwnerStmt, ast.AlterObjectSchemaStmt, ast.RenameStmt,
    ast.GrantStmt, ast.LockStmt, ast.VacuumStmt, ast.ReindexStmt, ast.TransactionStmt,
)  # fmt: skip
#: ALTER TABLE commands that leave every stored value unchanged.
_HARMLESS_ALTER = {
    Alter.AT_AddColumn, Alter.AT_ColumnDefault, Alter.AT_DropNotNull, Alter.AT_SetNotNull, Alter.AT_SetStatistics,
    Alter.AT_SetOptions, Alter.AT_ResetOptions, Alter.AT_SetStorage, Alter.AT_AddConstraint, Alter.AT_AlterConstraint,
    Alter.AT_ValidateConstraint, Alter.AT_DropConstraint, Alter.AT_ChangeOwner, Alter.AT_ClusterOn,
    Alter.AT_DropCluster, Alter.AT_SetLogged, Alter.AT_SetRelOptions, Alter.AT_ResetRelOptions, Alter.AT_AddIdentity,
    Alter.AT_AttachPartition, Alter.AT_ReplicaIdentity, Alter.AT_EnableRowSecurity, Alter.AT_DisableRowSecurity,
    Alter.AT_ForceRowSecurity, Alter.AT_NoForceRowSecurity,
}  # fmt: skip
#: Objects without rows. Without CASCADE, dropping one fails while a table needs it.
_HARMLESS_DROPS = {
    ObjectType.OBJECT_INDEX, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_TYPE, ObjectType.OBJECT_DOMAIN,
    ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE, ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_SCHEMA,
    ObjectType.OBJECT_POLICY, ObjectType.OBJECT_STATISTIC_EXT,
}  # fmt: skip
#: Settings that change neither what a name means nor whether triggers and constraints work.
_HARMLESS_SETTINGS = {
    "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "client_min_messages",
    "client_encoding", "standard_conforming_strings", "check_function_bodies", "maintenance_work_mem", "work_mem",
    "timezone", "application_name",
}  # fmt: skip
#: PostgreSQL's functions that only compute. Any other function may have side effects.
_PURE = {
    "abs", "array_agg", "array_length", "avg", "btrim", "ceil", "char_length", "clock_timestamp", "concat",
    "concat_ws", "count", "date_part", "date_trunc", "extract", "floor", "format", "gen_random_uuid", "generate_series",
    "json_build_object", "jsonb_agg", "jsonb_build_array", "jsonb_build_object", "jsonb_set", "left", "length", "lower",
    "lpad", "ltrim", "max", "md5", "min", "mod", "nextval", "now", "regexp_replace", "replace", "right", "round",
    "row_number", "rpad", "rtrim", "split_part", "statement_timestamp", "string_agg", "strpos", "substr", "substring",
    "sum", "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsvector",
    "transaction_timestamp", "trim", "unnest", "upper", "uuid_generate_v4",
}  # fmt: skip


#: A table, or a column of it.
_Place = tuple[Name | None, str | None]


def harms(sql: str, bookkeeping: Name = BOOKKEEPING) -> list[Harm]:
    """Return what `sql` may destroy, in its order, without Alembic's version table (`bookkeeping`). Never raises.

    >>> [(harm.how.value, str(harm.table), harm.column) for harm in harms("ALTER TABLE orders DROP COLUMN note")]
    [('dropped', 'orders', 'note')]
    """
    found: list[Harm] = []
    renamed: set[_Place] = set()
    added: set[_Place] = set()
    for statement in statements_of(sql):
        for harm in _harms_of(statement):
            places = {(harm.table, None), (harm.table, harm.column)}
            # An update of a column that the same SQL added overwrites nothing.
            fills = harm.how is How.OVERWRITTEN and places & added
            if harm.table != bookkeeping and not fills:
                found.append(replace(harm, renamed=bool(places & renamed)))
        now_renamed = _renamed(statement.node)
        renamed |= now_renamed
        added = {place for place in added if not {place, (place[0], None)} & now_renamed} | _added(statement.node)
    return found


def _renamed(node: Any) -> set[_Place]:
    """Return the names that mean another table or column after this statement."""
    relation: Any = getattr(node, "relation", None)
    if relation is None or not isinstance(node, ast.RenameStmt | ast.AlterObjectSchemaStmt | ast.CreateStmt):
        return set()
    name = named(relation.schemaname, relation.relname)
    if isinstance(node, ast.AlterObjectSchemaStmt):
        return {(name, None), (named(str(node.newschema), relation.relname), None)}
    if isinstance(node, ast.CreateStmt):
        return {(name, None)}
    if node.renameType == ObjectType.OBJECT_COLUMN:
        return {(name, node.subname), (name, node.newname)}
    return {(name, None), (named(relation.schemaname, str(node.newname)), None)}


def _added(node: Any) -> set[_Place]:
    """Return the columns or the table that this statement is certain to create."""
    relation: Any = getattr(node, "relation", None)
    if isinstance(node, ast.CreateStmt) and not node.if_not_exists:
        return {(named(relation.schemaname, relation.relname), None)}
    if not isinstance(node, ast.AlterTableStmt) or relation is None:
        return set()
    name = named(relation.schemaname, relation.relname)
    adding = (each for each in node.cmds or () if each.subtype == Alter.AT_AddColumn and not each.missing_ok)
    return {(name, each.def_.colname) for each in adding}


def _harms_of(statement: Statement) -> list[Harm]:
    if statement.node is None and not statement.problem:
        return []  # only a comment
    unknown = [Harm(How.UNKNOWN, statement.shown)]
    if statement.node is None or _does_more(statement.node):
        return unknown
    try:
        return list(_by_kind(statement.node, statement.shown))
    except Unclear:
        return unknown


def _does_more(node: Any) -> bool:
    """Return whether a statement changes rows in a nested statement (WITH), or calls a function not known as pure."""
    for inner in walk(node):
        if inner is not node and isinstance(inner, ast.DeleteStmt | ast.UpdateStmt | ast.InsertStmt | ast.MergeStmt):
            return True
        if isinstance(inner, ast.FuncCall) and not _pure([part.sval for part in inner.funcname or ()]):
            return True
    return False


def _pure(name: list[str]) -> bool:
    # Anyone can define a function in `public`. These two come from extensions.
    of_extension = name[0] == "public" and name[-1] in ("uuid_generate_v4", "gen_random_uuid")
    return name[-1] in _PURE and (len(name) == 1 or name[0] == "pg_catalog" or of_extension)


def _by_kind(node: Any, text: str) -> Iterator[Harm]:  # noqa: C901, PLR0912 - one branch for each kind of statement
    match node:
        case ast.DropStmt():
            yield from _dropped(node, text)
        case ast.TruncateStmt():
            cascades = node.behavior == DropBehavior.DROP_CASCADE
            for relation in node.relations or ():
                yield Harm(How.EMPTIED, text, _table(relation), cascades=cascades)
        case ast.DeleteStmt():
            yield Harm(How.DELETED, text, _table(node.relation), cascades=True)
        case ast.UpdateStmt():
            kept = changed_where_null(node)  # overwriting NULL loses nothing
            for target in node.targetList or ():
                if target.name not in kept:
                    yield Harm(How.OVERWRITTEN, text, _table(node.relation), target.name)
        case ast.AlterSeqStmt():
            if any(option.defname == "restart" for option in node.options or ()):
                yield Harm(How.UNKNOWN, text)
        case ast.InsertStmt():
            clause = node.onConflictClause
            if clause is not None and clause.action == OnConflictAction.ONCONFLICT_UPDATE:
                for target in clause.targetList or ():
                    yield Harm(How.OVERWRITTEN, text, _table(node.relation), target.name)
        case ast.AlterTableStmt():
            for command in node.cmds or ():
                yield from _altered(node, command, text)
        case ast.VariableSetStmt():
            if node.kind != VariableSetKind.VAR_RESET and str(node.name).lower() not in _HARMLESS_SETTINGS:
                yield Harm(How.UNKNOWN, text)
        case ast.SelectStmt():
            pass  # _does_more checks its function calls
        case _ if isinstance(node, _HARMLESS):
            pass
        case _:
            yield Harm(How.UNKNOWN, text)


def _dropped(node: Any, text: str) -> Iterator[Harm]:
    cascades = node.behavior == DropBehavior.DROP_CASCADE
    if node.removeType == ObjectType.OBJECT_TABLE:
        for parts in node.objects or ():
            yield Harm(How.DROPPED, text, from_parts(parts))
    elif node.removeType not in _HARMLESS_DROPS:
        yield Harm(How.UNKNOWN, text)
        return
    if cascades:
        yield Harm(How.UNKNOWN, text)


def _altered(node: Any, command: Any, text: str) -> Iterator[Harm]:
    kind = command.subtype
    if node.objtype != ObjectType.OBJECT_TABLE:
        yield Harm(How.UNKNOWN, text)
    elif kind == Alter.AT_DropColumn:
        yield Harm(How.DROPPED, text, _table(node.relation), command.name)
        if command.behavior == DropBehavior.DROP_CASCADE:
            yield Harm(How.UNKNOWN, text)
    elif kind == Alter.AT_AlterColumnType:
        new_type = None if _computed(command) else _plain_type(command.def_.typeName)
        yield Harm(How.RETYPED, text, _table(node.relation), command.name, new_type=new_type)
    elif kind == Alter.AT_DetachPartition:
        yield Harm(How.DETACHED, text, _table(command.def_.name))
    elif kind not in _HARMLESS_ALTER:
        yield Harm(How.UNKNOWN, text)


def _computed(command: Any) -> bool:
    """Return whether USING computes new values, with anything but a cast of the column to the new type."""
    using = command.def_.raw_default
    if using is None:
        return False
    itself = (
        isinstance(using, ast.TypeCast)
        and isinstance(using.arg, ast.ColumnRef)
        and [getattr(part, "sval", None) for part in using.arg.fields or ()] == [command.name]
    )
    return not itself or _plain_type(using.typeName) != _plain_type(command.def_.typeName)


def _plain_type(name: Any) -> SqlType | None:
    """Return the type if it is built in, not an array, and has constant modifiers."""
    found = of_tree(name)
    special = found.array or found.schema or -1 in found.mods or name.names[-1].sval in SERIALS
    return None if special else found


def _table(relation: Any) -> Name:
    if relation is None or relation.catalogname:
        raise Unclear("no table of this database is named")
    return named(relation.schemaname, relation.relname)
