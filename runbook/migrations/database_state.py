"""The state of a database's rows at one moment, to detect later writes.

A transaction that writes changes `txid_current_snapshot()`. A transaction that only reads, a checkpoint or a plain
VACUUM does not. The snapshot covers the whole server, and ANALYZE changes it too. If it changed, the rows decide: each
table's row count, and the sum of the IDs of the transactions that wrote its rows (xmin). A later transaction has a
larger ID, so if the row count is the same, any write makes the sum larger. (Server-side statistics would be cheaper,
but they lag, and are lost in a crash.)
"""

import hashlib

from runbook.errors import RunbookError
from runbook.incident.schema_facts import DatabaseState
from runbook.migrations.database import Database

_SNAPSHOT = "SELECT txid_current_snapshot() || ' of ' || oid FROM pg_database WHERE datname = current_database()"
# Large objects are not counted: if there are any, only the snapshot decides. Row security must not hide rows.
_ROWS = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '{seconds}s';
SET LOCAL lock_timeout = '2s'; SET LOCAL row_security = off;
SELECT 'snapshot', txid_current_snapshot() || ' of ' || oid FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT 'large objects', txid_current_snapshot()::text WHERE EXISTS (SELECT FROM pg_largeobject_metadata)
UNION ALL
(SELECT c.oid || ' ' || n.nspname || '.' || c.relname, (xpath('/row/held/text()', query_to_xml(
    format('SELECT count(*) || '' '' || coalesce(sum(xmin::text::bigint), 0) AS held FROM ONLY %I.%I',
    n.nspname, c.relname), false, true, '')))[1]::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
ORDER BY c.oid)
"""


def read_state(database: Database, deadline: float) -> DatabaseState:
    """Read every table once, within `deadline` seconds. Never raises: an unknown state is empty."""
    # The server has a timeout too: a query that outlived the deadline would delay the downgrade.
    query = _ROWS.format(seconds=max(1, int(deadline * 0.9)))
    try:
        (_, snapshot), *tables = database.ask(query, deadline=deadline)
    except (RunbookError, ValueError):
        return DatabaseState()
    return DatabaseState(snapshot, hashlib.sha256(repr(tables).encode()).hexdigest())


def is_unchanged(before: DatabaseState, database: Database, deadline: float) -> bool:
    """Return whether the database is certain to hold the same rows as `before`. Reads within `deadline` seconds."""
    if not before.snapshot or not before.rows:
        return False
    try:
        unmoved = database.ask(_SNAPSHOT) == [[before.snapshot]]
    except RunbookError:
        return False
    return unmoved or read_state(database, deadline).rows == before.rows
