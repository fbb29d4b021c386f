"""The statements that clients ran, from the log of a PostgreSQL server with `log_statement = all`.

Each entry begins with the client's address (`log_line_prefix = '%h '`). The further lines of a statement begin with a
tab, so no statement can look like a new entry.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast

from runbook.migrations.verdict.expressions import PURE, WRITERS, is_a, walk
from runbook.migrations.verdict.statements import statements_of
from runbook.migrations.verdict.table_names import Name, named

_ENTRY = re.compile(r"^(?P<host>\S+) LOG:\s+(?:statement|execute [^:]*): (?P<text>.*)$")
#: A SQLAlchemy parameter (`:name`) in SQL text.
_PARAMETER = re.compile(r"(?<![:\w\\]):\w+(?!:)")
_SESSION = (ast.VariableSetStmt, ast.VariableShowStmt, ast.DeallocateStmt, ast.DiscardStmt)
_BEGIN = {"TRANS_STMT_BEGIN", "TRANS_STMT_START"}
_LOOKING = {
    "format_type", "generate_subscripts", "current_schemas", "quote_ident", "to_regclass", "to_regtype",
    "pg_encoding_to_char", "pg_backend_pid", "regexp_matches", "any_value", "array_remove", "has_table_privilege",
    "has_schema_privilege", "pg_relation_is_publishable", "row_to_json", "array_upper", "array_lower",
    "json_object_agg", "array_position",
}  # fmt: skip
_OF_SERVER = ("pg_", "information_schema")


def statements_run(log: str) -> list[str]:
    """Return the statements of clients that connected over the network, in order, repeated ones included."""
    found: list[list[str]] = []
    open_entry = False
    for line in log.splitlines():
        if entry := _ENTRY.match(line):
            open_entry = entry["host"] != "[local]"
            if open_entry:
                found.append([entry["text"]])
        elif open_entry and line.startswith("\t"):
            found[-1].append(line[1:])
        else:
            open_entry = False
    return ["\n".join(lines) for lines in found]


def as_sql(run: list[str]) -> str:
    """Return the statements as one SQL text.

    Left out are session settings, catalog lookups, BEGIN and COMMIT, and rolled-back transactions that only read.
    """
    kept: list[str] = []
    begun = 0
    for text in run:
        node = next((statement.node for statement in statements_of(text)), None)
        kind = node.kind.name if isinstance(node, ast.TransactionStmt) and node.kind is not None else ""
        if kind in _BEGIN:
            begun = len(kept)
        if kind == "TRANS_STMT_ROLLBACK" and all(map(_only_reads, _nodes(kept[begun:]))):
            del kept[begun:]
        elif not isinstance(node, _SESSION) and not _looks_up(node) and kind not in _BEGIN | {"TRANS_STMT_COMMIT"}:
            kept.append(text.rstrip().rstrip(";"))
        if kind == "TRANS_STMT_COMMIT":
            begun = len(kept)
    return "".join(f"{text};\n" for text in kept)


def with_unrun(sql: str, written: Iterable[str]) -> str:
    r"""Return `sql`, which was run, followed by the statements `written` in the source that were not run this time.

    >>> with_unrun("DELETE FROM a;\n", ["DELETE FROM a", "UPDATE b SET c = :c WHERE d::int = 1"])
    'DELETE FROM a;\nUPDATE b SET c = (SELECT 1) WHERE d::int = 1;\n'
    """
    run = f"; {' '.join(sql.split())}"
    found = [text.rstrip("; \n") for text in written]
    # A parameter can be any value that the migration has read, so it must not look like a constant.
    unrun = [_PARAMETER.sub("(SELECT 1)", text) for text in found if f"; {' '.join(text.split())};" not in run]
    return "".join([sql, *(f"{text};\n" for text in unrun)])


def _only_reads(node: Any) -> bool:
    """Return whether a statement is a SELECT or a savepoint command. Drivers use both to look up a type."""
    marks = {"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE"}
    return is_a(node, ast.SelectStmt) or (is_a(node, ast.TransactionStmt) and node.kind.name in marks)


def _looks_up(node: Any) -> bool:
    """Return whether a statement is a SELECT on the system catalogs only, as SQLAlchemy's inspector runs them."""
    if not isinstance(node, ast.SelectStmt):
        return False
    found: list[Any] = list(walk(node))
    made = {each.ctename for each in found if is_a(each, ast.CommonTableExpr)}
    tables = [each for each in found if is_a(each, ast.RangeVar) and each.relname not in made]
    calls = [[part.sval for part in each.funcname] for each in found if is_a(each, ast.FuncCall)]
    return (
        not any(isinstance(each, WRITERS) for each in found)
        and all((each.schemaname or each.relname).startswith(_OF_SERVER) for each in tables)
        and all((len(each) == 1 or each[0] == "pg_catalog") and _only_looks(each[-1]) for each in calls)
    )


def _only_looks(name: str) -> bool:
    return name in PURE | _LOOKING or name.startswith("pg_get_") or name.endswith(("_is_visible", "_description"))


def _nodes(texts: list[str]) -> list[Any]:
    return [statement.node for text in texts for statement in statements_of(text)]


def tables_read(sql: str, bookkeeping: Name) -> Iterator[Name]:
    """Yield the application's tables whose rows the migrations read: what they do next may depend on those rows.

    They read by SELECT or by RETURNING. RETURNING of an INSERT does not count for the table it inserts into: it returns
    only the new rows.
    """
    for statement in statements_of(sql):
        node = statement.node
        if not isinstance(node, ast.SelectStmt) and not getattr(node, "returningClause", None):
            continue
        relations: list[Any] = [each for each in walk(node) if isinstance(each, ast.RangeVar)]
        if isinstance(node, ast.InsertStmt):
            relations.remove(node.relation)
        for relation in relations:
            name = named(relation.schemaname, relation.relname)
            of_server = (relation.schemaname or relation.relname).startswith(_OF_SERVER)
            if name != bookkeeping and not of_server:
                yield name
