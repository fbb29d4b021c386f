"""The table of rules that fold each kind of statement into the net change. A statement without a rule is `review`."""

from collections.abc import Callable, Iterable

from pglast import ast

from runbook.migrations.verdict.ddl import data, objects, tables
from runbook.migrations.verdict.ddl.constraints import create_index
from runbook.migrations.verdict.findings import ADDITIVE, REVIEW
from runbook.migrations.verdict.schema_delta import SchemaDelta
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name, Unclear

STUMBLED = "its rule does not cover this form"
DdlRule = Callable[[SchemaDelta, Statement], None]


def _on_table(reason: str, relation: str = "relation") -> DdlRule:
    """Return a rule for a statement that matters only if the target's code uses its table."""
    return lambda delta, statement: delta.table_of(getattr(statement.node, relation)).affect(statement, reason)


def _additive(thing: str, reason: str) -> DdlRule:
    return lambda delta, statement: delta.find(statement, ADDITIVE, thing, reason)


def _unclear(reason: str) -> DdlRule:
    """Return a rule for a statement that is always `review`, with a specific reason."""

    def fold(_delta: SchemaDelta, _statement: Statement) -> None:
        raise Unclear(reason)

    return fold


_POLICY = _on_table("a policy decides which rows the code's role sees and writes", "table")
_DYNAMIC = _unclear("the statements that it runs are not in the SQL")
_RULES: dict[type[ast.Node], DdlRule] = {
    ast.CreateStmt: tables.create_table,
    ast.AlterTableStmt: tables.alter_table,
    ast.IndexStmt: create_index,
    ast.RenameStmt: objects.rename,
    ast.AlterObjectSchemaStmt: objects.set_schema,
    ast.DropStmt: objects.drop,
    ast.ViewStmt: objects.create_view,
    ast.CreateTableAsStmt: objects.create_as,
    ast.RefreshMatViewStmt: _on_table("the code reads different rows from it than before"),
    **dict.fromkeys((ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt), data.write),
    ast.TruncateStmt: data.truncate,
    ast.SelectStmt: data.read,
    ast.VariableSetStmt: data.set_setting,
    **dict.fromkeys(
        (ast.CreateEnumStmt, ast.CompositeTypeStmt, ast.CreateRangeStmt, ast.CreateDomainStmt), objects.make_type
    ),
    ast.AlterEnumStmt: objects.change_enum,
    ast.CreateSeqStmt: objects.make_sequence,
    ast.AlterSeqStmt: objects.change_sequence,
    ast.CreateSchemaStmt: objects.make_schema,
    ast.CreateFunctionStmt: objects.make_function,
    ast.CreateTrigStmt: objects.make_trigger,
    ast.RuleStmt: _on_table("a rule rewrites the code's queries"),
    ast.CreatePolicyStmt: _POLICY,
    ast.AlterPolicyStmt: _POLICY,
    ast.GrantStmt: objects.grant,
    ast.CreateExtensionStmt: _additive("extension", "a new extension adds names that the code does not use"),
    ast.CreateStatsStmt: _additive("statistics", "they change a query's speed, not its result"),
    ast.CommentStmt: _additive("comment", "no query of the code sees a comment"),
    ast.TransactionStmt: objects.transaction,
    **dict.fromkeys((ast.DoStmt, ast.CallStmt, ast.ExecuteStmt, ast.PrepareStmt), _DYNAMIC),
    ast.CopyStmt: data.copy,
    **dict.fromkeys((ast.AlterDatabaseSetStmt, ast.AlterRoleSetStmt), data.set_for_later),
    ast.AlterOwnerStmt: _unclear("the code's role may lose privileges when an owner changes"),
    ast.AlterDomainStmt: _unclear("columns of this domain may refuse values that the code writes"),
}
# Statements that change neither the schema nor rows.
_NOTHING = (
    ast.ReindexStmt, ast.VacuumStmt, ast.ClusterStmt, ast.LockStmt, ast.CheckPointStmt, ast.ConstraintsSetStmt,
    ast.VariableShowStmt,
)  # fmt: skip


def folded(statements: Iterable[Statement], bookkeeping: Name = BOOKKEEPING) -> SchemaDelta:
    """Fold statements, in order, into their net change. `bookkeeping` is Alembic's version table."""
    delta = SchemaDelta(bookkeeping)
    for statement in statements:
        if statement.problem:
            delta.find(statement, REVIEW, "SQL", statement.problem)
        elif statement.node is not None:
            _fold(delta, statement)
    return delta


def _fold(delta: SchemaDelta, statement: Statement) -> None:
    kind = type(statement.node)
    if kind in _NOTHING:
        return
    words = kind.__name__.removesuffix("Stmt")
    rule = _RULES.get(kind)
    if rule is None:
        delta.find(statement, REVIEW, words, f"there is no rule for {words}")
        return
    try:
        rule(delta, statement)
    except Unclear as error:
        delta.find(statement, REVIEW, words, str(error))
    except RecursionError:
        delta.find(statement, REVIEW, words, "it is nested too deeply to be judged")
    except Exception as error:  # noqa: BLE001 - an error in a rule must not stop a rollback
        delta.find(statement, REVIEW, words, f"{STUMBLED} ({type(error).__name__})")
