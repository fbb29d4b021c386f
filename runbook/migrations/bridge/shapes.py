"""What a view that replaces a table must have: its columns, its owner and its grants."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runbook.errors import Inconclusive

#: The query whose rows `shapes_in` reads. A table with column grants, row security or rules is not `plain`, because
#: these would not apply to access through the view.
SHAPES = """
SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL search_path = pg_catalog;
SELECT n.nspname, c.relname, json_build_object(
    'plain', c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND NOT c.relhasrules AND NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
    'counts', EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                      AND concat(a.attidentity, a.attgenerated) <> ''),
    'defaults', (SELECT coalesce(json_object_agg(a.attname, pg_get_expr(d.adbin, d.adrelid)), '{}') FROM pg_attrdef d
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.adnum WHERE d.adrelid = c.oid),
    'owner', quote_ident(pg_get_userbyid(c.relowner)),
    'columns', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'grants', (SELECT coalesce(json_agg(json_build_array(x.privilege_type,
                   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
                   || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)), '[]')
               FROM aclexplode(c.relacl) x
               WHERE x.grantee <> c.relowner AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""


@dataclass(frozen=True)
class Shape:
    """A relation: whether it is a table that a view can replace (`plain`), and what the view needs.

    `owner` and the grantees are quoted for SQL, `columns` are not. `grants` are pairs of privilege and grantee.
    `defaults` are expressions by column. `counts`: the table has an identity or generated column.
    """

    plain: bool
    owner: str
    columns: tuple[str, ...]
    grants: tuple[tuple[str, str], ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False


#: Shapes by schema and name. All relations are in it, because each takes a name.
Shapes = dict[tuple[str, str], Shape]


def shapes_in(rows: Iterable[Sequence[str]]) -> Shapes:
    """Return every relation, from the rows of `SHAPES`. Raises Inconclusive when their form is wrong."""
    found: Shapes = {}
    for row in rows:
        try:
            schema, name, told = row
            parts = json.loads(told)
            grants = tuple((str(right), str(who)) for right, who in parts["grants"])
            columns, defaults = tuple(parts["columns"]), parts["defaults"]
            found[schema, name] = Shape(parts["plain"], parts["owner"], columns, grants, defaults, parts["counts"])
        except (ValueError, KeyError, TypeError):
            where = ".".join(row[:2])
            raise Inconclusive(
                f"the catalog query returned an unexpected row for {where}", "check the database"
            ) from None
    return found
