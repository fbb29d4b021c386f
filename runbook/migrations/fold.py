"""Which rule folds a statement into the net change: one table, closed. What is not in it is for a human."""

from collections.abc import Callable, Iterable

from pglast import ast

from runbook.migrations import fold_data, fold_objects, fold_tables
from runbook.migrations.findings import Verdict
from runbook.migrations.fold_constraints import create_index
from runbook.migrations.names import BOOKKEEPING, Name, Unclear
from runbook.migrations.net_change import Effect, Net
from runbook.migrations.sql_statements import Statement

STUMBLED = "its rule did not expect this form of it"
Fold = Callable[[Net, Statement], None]


def _on_table(reason: str, relation: str = "relation") -> Fold:
    """A rule for what only matters if the target's code uses the table it is done to."""

    def fold(net: Net, statement: Statement) -> None:
        table = net.table(net.name_of(getattr(statement.node, relation)))
        table.effects.append(Effect(statement, reason))

    return fold


def _nothing(_net: Net, _statement: Statement) -> None:
    """A statement that leaves everything as it was."""


def _additive(thing: str, reason: str) -> Fold:
    """A rule for what is harmless wherever it is done."""

    def fold(net: Net, statement: Statement) -> None:
        net.find(statement, Verdict.ADDITIVE, thing, reason)

    return fold


def _unclear(reason: str) -> Fold:
    """A rule for what a human must look at, with a better reason than that no rule knows it."""

    def fold(_net: Net, _statement: Statement) -> None:
        raise Unclear(reason)

    return fold


_DYNAMIC = _unclear("what it runs is not in the SQL as statements")
_RULES: dict[type[ast.Node], Fold] = {
    ast.CreateStmt: fold_tables.create_table,
    ast.AlterTableStmt: fold_tables.alter_table,
    ast.IndexStmt: create_index,
    ast.RenameStmt: fold_objects.rename,
    ast.AlterObjectSchemaStmt: fold_objects.set_schema,
    ast.DropStmt: fold_objects.drop,
    ast.ViewStmt: fold_objects.create_view,
    ast.CreateTableAsStmt: fold_objects.create_as,
    ast.RefreshMatViewStmt: fold_objects.refresh,
    ast.InsertStmt: fold_data.write,
    ast.UpdateStmt: fold_data.write,
    ast.DeleteStmt: fold_data.write,
    ast.MergeStmt: fold_data.write,
    ast.TruncateStmt: fold_data.truncate,
    ast.SelectStmt: fold_data.read,
    ast.VariableSetStmt: fold_data.set_setting,
    ast.CreateEnumStmt: fold_objects.make_type,
    ast.CompositeTypeStmt: fold_objects.make_type,
    ast.CreateRangeStmt: fold_objects.make_type,
    ast.CreateDomainStmt: fold_objects.make_type,
    ast.AlterEnumStmt: fold_objects.change_enum,
    ast.CreateSeqStmt: fold_objects.make_sequence,
    ast.AlterSeqStmt: fold_objects.change_sequence,
    ast.CreateSchemaStmt: fold_objects.make_schema,
    ast.CreateFunctionStmt: fold_objects.make_function,
    ast.CreateTrigStmt: _on_table("a trigger runs on the code's writes and may change or refuse them"),
    ast.RuleStmt: _on_table("a rule rewrites the code's queries"),
    ast.CreatePolicyStmt: _on_table("a policy decides which rows the code's role sees and writes", "table"),
    ast.AlterPolicyStmt: _on_table("a policy decides which rows the code's role sees and writes", "table"),
    ast.GrantStmt: fold_objects.grant,
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
    ast.TransactionStmt: fold_objects.transaction,
    ast.DoStmt: _DYNAMIC,
    ast.CallStmt: _DYNAMIC,
    ast.ExecuteStmt: _DYNAMIC,
    ast.PrepareStmt: _DYNAMIC,
    ast.CopyStmt: _unclear("the rows that COPY brings are not judged"),
    ast.AlterOwnerStmt: _unclear("the code's role may lose its rights when something has another owner"),
    ast.AlterDomainStmt: _unclear("columns of that domain may refuse what the code writes"),
}


def folded(statements: Iterable[Statement], bookkeeping: Name = BOOKKEEPING) -> Net:
    """Fold statements, in their order, to the net change that they make; `bookkeeping` is Alembic's own table."""
    net = Net(bookkeeping)
    for statement in statements:
        if statement.problem:
            net.find(statement, Verdict.REVIEW, "SQL", statement.problem)
        elif statement.node is not None:
            _fold(net, statement)
    return net


def _fold(net: Net, statement: Statement) -> None:
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
