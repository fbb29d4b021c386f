"""Which rule folds a statement into the net change: one table, closed. What is not in it is for a human."""

from collections.abc import Callable, Iterable

from pglast import ast

from runbook.migrations.verdict.ddl import data, objects, tables
from runbook.migrations.verdict.ddl.constraints import create_index
from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.schema_delta import Effect, SchemaDelta
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name, Unclear

STUMBLED = "its rule did not expect this form of it"
DdlRule = Callable[[SchemaDelta, Statement], None]


def _on_table(reason: str, relation: str = "relation") -> DdlRule:
    """A rule for what only matters if the target's code uses the table it is done to."""

    def fold(net: SchemaDelta, statement: Statement) -> None:
        table = net.table(net.name_of(getattr(statement.node, relation)))
        table.effects.append(Effect(statement, reason))

    return fold


def _nothing(_net: SchemaDelta, _statement: Statement) -> None:
    """A statement that leaves everything as it was."""


def _additive(thing: str, reason: str) -> DdlRule:
    """A rule for what is harmless wherever it is done."""

    def fold(net: SchemaDelta, statement: Statement) -> None:
        net.find(statement, Verdict.ADDITIVE, thing, reason)

    return fold


def _unclear(reason: str) -> DdlRule:
    """A rule for what a human must look at, with a better reason than that no rule knows it."""

    def fold(_net: SchemaDelta, _statement: Statement) -> None:
        raise Unclear(reason)

    return fold


_DYNAMIC = _unclear("what it runs is not in the SQL as statements")
_RULES: dict[type[ast.Node], DdlRule] = {
    ast.CreateStmt: tables.create_table,
    ast.AlterTableStmt: tables.alter_table,
    ast.IndexStmt: create_index,
    ast.RenameStmt: objects.rename,
    ast.AlterObjectSchemaStmt: objects.set_schema,
    ast.DropStmt: objects.drop,
    ast.ViewStmt: objects.create_view,
    ast.CreateTableAsStmt: objects.create_as,
    ast.RefreshMatViewStmt: objects.refresh,
    ast.InsertStmt: data.write,
    ast.UpdateStmt: data.write,
    ast.DeleteStmt: data.write,
    ast.MergeStmt: data.write,
    ast.TruncateStmt: data.truncate,
    ast.SelectStmt: data.read,
    ast.VariableSetStmt: data.set_setting,
    ast.CreateEnumStmt: objects.make_type,
    ast.CompositeTypeStmt: objects.make_type,
    ast.CreateRangeStmt: objects.make_type,
    ast.CreateDomainStmt: objects.make_type,
    ast.AlterEnumStmt: objects.change_enum,
    ast.CreateSeqStmt: objects.make_sequence,
    ast.AlterSeqStmt: objects.change_sequence,
    ast.CreateSchemaStmt: objects.make_schema,
    ast.CreateFunctionStmt: objects.make_function,
    ast.CreateTrigStmt: _on_table("a trigger runs on the code's writes and may change or refuse them"),
    ast.RuleStmt: _on_table("a rule rewrites the code's queries"),
    ast.CreatePolicyStmt: _on_table("a policy decides which rows the code's role sees and writes", "table"),
    ast.AlterPolicyStmt: _on_table("a policy decides which rows the code's role sees and writes", "table"),
    ast.GrantStmt: objects.grant,
    ast.CreateExtensionStmt: _additive("extension", "a new extension brings names that the code does not use"),
    ast.CreateStatsStmt: _additive("statistics", "they change how fast a query is, not what it gives"),
    ast.CommentStmt: _additive("comment", "no query of the code sees a comment"),
    ast.ReindexStmt: _nothing,
    ast.VacuumStmt: _nothing,
    ast.ClusterStmt: _nothing,
    ast.LockStmt: _nothing,
    ast.CheckPointStmt: _nothing,
    ast.ConstraintsSetStmt: _nothing,
    ast.VariableShowStmt: _nothing,
    ast.TransactionStmt: objects.transaction,
    ast.DoStmt: _DYNAMIC,
    ast.CallStmt: _DYNAMIC,
    ast.ExecuteStmt: _DYNAMIC,
    ast.PrepareStmt: _DYNAMIC,
    ast.CopyStmt: _unclear("the rows that COPY brings are not judged"),
    ast.AlterOwnerStmt: _unclear("the code's role may lose its rights when something has another owner"),
    ast.AlterDomainStmt: _unclear("columns of that domain may refuse what the code writes"),
}


def folded(statements: Iterable[Statement], bookkeeping: Name = BOOKKEEPING) -> SchemaDelta:
    """Fold statements, in their order, to the net change that they make; `bookkeeping` is Alembic's own table."""
    net = SchemaDelta(bookkeeping)
    for statement in statements:
        if statement.problem:
            net.find(statement, Verdict.REVIEW, "SQL", statement.problem)
        elif statement.node is not None:
            _fold(net, statement)
    return net


def _fold(net: SchemaDelta, statement: Statement) -> None:
    kind = type(statement.node)
    words = kind.__name__.removesuffix("Stmt")
    rule = _RULES.get(kind)
    if rule is None:
        net.find(statement, Verdict.REVIEW, words, f"no rule knows {words}")
        return
    try:
        rule(net, statement)
    except Unclear as error:
        net.find(statement, Verdict.REVIEW, words, str(error))
    except RecursionError:
        net.find(statement, Verdict.REVIEW, words, "it is nested too deeply to be judged")
    except Exception as error:  # noqa: BLE001 - a rule that stumbles must not end a rollback, and is never good news
        net.find(statement, Verdict.REVIEW, words, f"{STUMBLED} ({type(error).__name__})")
