"""The rules of a schema that could be relaxed, as its database defines them, with the SQL that restores each one.

Each row also has the query that lists the rows that would prevent restoring the rule. PostgreSQL writes that query,
because it knows its quoting and its operators. Rules that cannot be lifted are not listed: primary keys, identity
columns, and what a partition inherits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runbook.errors import Inconclusive

#: The query whose rows `definitions_in` reads.
DEFINITIONS = """
SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL search_path = pg_catalog;
WITH tables AS (
    SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
), keys AS (
    SELECT i.indexrelid, i.indrelid,
           (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ') FROM generate_series(1, i.indnkeyatts) k)
               AS listed,
           concat_ws(' AND ', CASE WHEN to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' THEN NULL ELSE
               (SELECT string_agg(format('(%s) IS NOT NULL', pg_get_indexdef(i.indexrelid, k, true)), ' AND ')
                FROM generate_series(1, i.indnkeyatts) k) END, pg_get_expr(i.indpred, i.indrelid, true)) AS counted
    FROM pg_index i WHERE i.indisunique
), repeated AS (
    SELECT k.indexrelid, format('SELECT %s, count(*) FROM %s%s GROUP BY %s HAVING count(*) > 1', k.listed, t.name,
                                CASE k.counted WHEN '' THEN '' ELSE ' WHERE ' || k.counted END, k.listed) AS rows
    FROM keys k JOIN tables t ON t.oid = k.indrelid
)
SELECT kind, nspname, relname, object, definition, rows FROM (
    SELECT 'not null' AS kind, t.nspname, t.relname, a.attname AS object, '' AS definition,
           format('SELECT * FROM %s WHERE %I IS NULL', t.name, a.attname) AS rows
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND a.attidentity = '' AND a.attinhcount = 0
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
    UNION ALL
    SELECT 'constraint', t.nspname, t.relname, c.conname, pg_get_constraintdef(c.oid),
           CASE WHEN NOT c.convalidated THEN '' ELSE CASE c.contype
               WHEN 'c' THEN format('SELECT * FROM %s WHERE NOT (%s)', t.name, pg_get_expr(c.conbin, c.conrelid))
               WHEN 'u' THEN (SELECT rows FROM repeated WHERE indexrelid = c.conindid)
               WHEN 'f' THEN (
                   SELECT format(
                       'SELECT child.* FROM %s child WHERE %s AND NOT EXISTS (SELECT FROM %s parent WHERE %s)', t.name,
                       string_agg(format('child.%I IS NOT NULL', a.attname), ' AND '), c.confrelid::regclass,
                       string_agg(format('parent.%I = child.%I', b.attname, a.attname), ' AND '))
                   FROM unnest(c.conkey, c.confkey) AS pair (here, there)
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.here
                   JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = pair.there)
               WHEN 'x' THEN (
                   SELECT format('SELECT one.*, other.* FROM %s one JOIN %s other ON one.ctid < other.ctid AND %s',
                       t.name, t.name, string_agg(format('one.%I OPERATOR(%I.%s) other.%I',
                           a.attname, n.nspname, o.oprname, a.attname), ' AND '))
                   FROM unnest(c.conkey, c.conexclop) AS pair (here, by)
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.here
                   JOIN pg_operator o ON o.oid = pair.by JOIN pg_namespace n ON n.oid = o.oprnamespace)
           END END
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid
    WHERE c.contype IN ('u', 'f', 'c', 'x') AND c.conislocal AND c.coninhcount = 0
      AND NOT (c.contype = 'x' AND 0 = ANY (c.conkey))
    UNION ALL
    SELECT 'index', t.nspname, t.relname, c.relname, pg_get_indexdef(c.oid),
           (SELECT rows FROM repeated WHERE indexrelid = c.oid)
    FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indisunique AND i.indisvalid AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = c.oid)
) found
ORDER BY nspname, relname, kind, object
"""


@dataclass(frozen=True)
class Definition:
    """The SQL that restores a rule, and the query for the rows that would prevent it (empty if no row can)."""

    sql: str
    rows: str


#: Definitions by kind (`not null`, `constraint`, `index`), schema, table and name.
Definitions = dict[tuple[str, str, str, str], Definition]


def definitions_in(rows: Iterable[Sequence[str]]) -> Definitions:
    """Return what could be relaxed, from the rows of `DEFINITIONS`. Raises Inconclusive when their form is wrong."""
    found: Definitions = {}
    for row in rows:
        if len(row) != 6:
            raise Inconclusive(f"the catalog query returned {len(row)} columns, expected 6", "check the database")
        kind, schema, table, name, sql, counted = row
        found[kind, schema, table, name] = Definition(sql, counted)
    return found
