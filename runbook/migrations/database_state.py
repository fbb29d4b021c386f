"""What a database holds at one moment, so that it can be told later whether anything was written since.

Two equal snapshots see the same rows: a transaction that wrote anything moves `txid_current_snapshot()`, and what only
reads does not; nor do checkpoints and plain vacuuming, which move the WAL position. It counts for the whole server,
though, and an ANALYZE moves it too. So where it moved, the rows decide: of each table their number and the sum of the
ids of the transactions that wrote them (xmin). A later transaction has a larger id, so as long as a table's number of
rows is the same, whatever was written or replaced makes that sum larger. Server-side statistics would be cheaper, and
are late, and lost in a crash.
"""

import hashlib
from dataclasses import dataclass

from runbook.errors import RunbookError
from runbook.migrations.database import Database

_SNAPSHOT = "SELECT txid_current_snapshot() || ' of ' || oid FROM pg_database WHERE datname = current_database()"
# Large objects are not counted: where there are some, the snapshot alone decides. A policy must not hide rows.
_ROWS = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL row_security = off;
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


@dataclass(frozen=True)
class Moment:
    """The snapshot and a hash over the rows of every table; both empty where the database did not tell."""

    snapshot: str = ""
    rows: str = ""

    @classmethod
    def now(cls, catalog: Database, deadline: float) -> "Moment":
        """What it holds now; every table is read once, within `deadline` seconds. Raises nothing: unknown is empty."""
        # The server ends it, too: a session that went on behind its deadline would hold up the downgrade.
        most = f"SET LOCAL statement_timeout = '{max(1, int(deadline * 0.9))}s'; SET LOCAL lock_timeout = '2s';"
        try:
            (_, snapshot), *held = catalog.ask(
                _ROWS.replace("SET LOCAL row", f"{most} SET LOCAL row", 1), deadline=deadline
            )
        except (RunbookError, ValueError):
            return cls()
        return cls(snapshot, hashlib.sha256(repr(held).encode()).hexdigest())

    def holds_still(self, catalog: Database, deadline: float) -> bool:
        """Tell whether the database surely holds the very rows that it held then."""
        if not self.snapshot or not self.rows:
            return False
        try:
            unmoved = catalog.ask(_SNAPSHOT) == [[self.snapshot]]
        except RunbookError:
            return False
        return unmoved or Moment.now(catalog, deadline).rows == self.rows
