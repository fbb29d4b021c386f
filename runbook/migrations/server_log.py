"""The statements that clients ran, out of the log of a PostgreSQL that logs them all (`log_statement = all`).

Its lines begin with the client's address (`log_line_prefix = '%h '`); further lines of a statement begin with a tab, so
that no statement can look like another entry.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pglast import ast

from runbook.migrations.verdict.expressions import PURE, WRITERS, is_a, walk
from runbook.migrations.verdict.statements import statements_of
from runbook.migrations.verdict.table_names import Name, named

_ENTRY = re.compile(r"^(?P<host>\S+) LOG:\s+(?:statement|execute [^:]*): (?P<text>.*)$")
#: A parameter of SQLAlchemy's in a text.
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
    """What clients that came by network ran, in its order, each once as often as it ran."""
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
    """Those statements as one text, without what ends with the session and transactions that only read."""
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
    r"""`sql`, as it was run, and behind it what else of that which is `written` in a source may be run another time.

    >>> with_unrun("DELETE FROM a;\n", ["DELETE FROM a", "UPDATE b SET c = :c WHERE d::int = 1"])
    'DELETE FROM a;\nUPDATE b SET c = (SELECT 1) WHERE d::int = 1;\n'
    """
    run = f"; {' '.join(sql.split())}"
    found = [text.rstrip("; \n") for text in written]
    # A parameter may be whatever the migration has read: it is no constant.
    unrun = [_PARAMETER.sub("(SELECT 1)", text) for text in found if f"; {' '.join(text.split())};" not in run]
    return "".join([sql, *(f"{text};\n" for text in unrun)])


def _only_reads(node: Any) -> bool:
    """That a statement reads, or marks a savepoint within its transaction, as drivers do when they look for a type."""
    marks = {"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE"}
    return is_a(node, ast.SelectStmt) or (is_a(node, ast.TransactionStmt) and node.kind.name in marks)


def _looks_up(node: Any) -> bool:
    """That a SELECT only asks the server's own catalogs, as an inspector does."""
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
    """The application's tables whose rows the migrations get to see: what they do next may depend on them.

    By a SELECT, or by RETURNING; what an INSERT returns of rows of its own depends on no others.
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
