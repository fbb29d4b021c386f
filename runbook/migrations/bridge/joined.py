"""A view that replaces a table whose column was moved out: it joins both tables, and a trigger writes both.

PostgreSQL can write through such a view only with an INSTEAD OF trigger, which does not support ON CONFLICT.
https://www.postgresql.org/docs/current/sql-createtrigger.html
"""

from collections.abc import Iterator, Mapping, Sequence

from runbook.migrations.bridge.relaxation import Kind, Relaxation, parts_of, sql_of
from runbook.migrations.bridge.shapes import Shape, Shapes
from runbook.migrations.bridge.splits import Split
from runbook.migrations.database import quoted
from runbook.migrations.image.mapped_models import MappedTable
from runbook.migrations.verdict.table_names import Name

_BESIDE = "__bridged"
_LONGEST = 63  # bytes of a name in PostgreSQL
_SAFELY = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
_ANY_WRITE = "INSTEAD OF INSERT OR UPDATE OR DELETE"


def aside_of(table: Name, there: Shapes) -> str | None:
    """Return the name that a table gets when a view takes its name, or None if that name is taken."""
    aside = table.name.encode()[: _LONGEST - len(_BESIDE)].decode(errors="ignore") + _BESIDE
    return None if (parts_of(table)[0], aside) in there else aside


def shown(column: str, old: str | None) -> str:
    """Return a column for a view's query, under its old name if it has one."""
    return f"{quoted(column)} AS {quoted(old)}" if old else quoted(column)


def rights(view: Name, shape: Shape) -> Iterator[str]:
    """Yield the statements that give the view the table's owner, who accesses the table through it, and its grants."""
    yield f"ALTER VIEW {sql_of(view)} OWNER TO {shape.owner}"
    for right, who in shape.grants:
        yield f"GRANT {right} ON {sql_of(view)} TO {who}"


def joined(  # noqa: PLR0913, PLR0917 - each is a part of the view
    table: Name, mapped: MappedTable, names: Mapping[str, str], apart: Sequence[Split], shape: Shape, there: Shapes
) -> Relaxation | None:
    """Return the view with every column of the table, renamed ones under both names, and the columns moved out."""
    aside = aside_of(table, there)
    if aside is None or shape.counts or not mapped.key or not mapped.key <= set(shape.columns):
        return None
    behind = Name(table.schema, aside)
    listed = [f"own.{quoted(each)}" for each in shape.columns]
    listed += [f"own.{quoted(new)} AS {quoted(old)}" for new, old in names.items()]
    listed += [f"apart{n}.{quoted(each.value)} AS {quoted(each.old)}" for n, each in enumerate(apart)]
    joins = "".join(
        f" JOIN {sql_of(each.other)} apart{n} ON apart{n}.{quoted(each.key)} = own.{quoted(each.link)}"
        for n, each in enumerate(apart)
    )
    view, function = sql_of(table), f"{quoted(parts_of(table)[0])}.{quoted(aside)}"
    body = _body(behind, mapped, names, apart, shape)
    up = (
        f"ALTER TABLE {view} RENAME TO {quoted(aside)}",
        f"CREATE VIEW {view} AS SELECT {', '.join(listed)} FROM {sql_of(behind)} own{joins}",  # noqa: S608 - quoted
        *(
            f"ALTER VIEW {view} ALTER COLUMN {quoted(name)} SET DEFAULT {value}"
            for name, value in shape.defaults.items()
        ),
        *rights(table, shape),
        f"CREATE FUNCTION {function}() RETURNS trigger {_SAFELY} AS {_quoted(body)}",
        f"ALTER FUNCTION {function}() OWNER TO {shape.owner}",
        f"CREATE TRIGGER {quoted(aside)} {_ANY_WRITE} ON {view} FOR EACH ROW EXECUTE FUNCTION {function}()",
    )
    down = (
        f"DROP VIEW {view}",
        f"DROP FUNCTION {function}()",
        f"ALTER TABLE {sql_of(behind)} RENAME TO {quoted(table.name)}",
    )
    regained = tuple(each.old for each in apart)
    told = ", ".join((*names.values(), *regained))
    return Relaxation(
        Kind.NAMES, table, told, up, down, regained=regained, linked=tuple(each.link for each in apart)
    )  # fmt: skip


def _quoted(body: str) -> str:
    mark = "$bridge$"
    while mark in body:
        mark = f"${mark[1:-1]}_$"
    return f"{mark}{body}{mark}"


def _body(behind: Name, mapped: MappedTable, names: Mapping[str, str], apart: Sequence[Split], shape: Shape) -> str:
    """Return the body of the trigger, which writes one row and returns the row as written."""
    same = " AND ".join(f"{quoted(each)} = OLD.{quoted(each)}" for each in sorted(mapped.key))
    listed = ", ".join(map(quoted, shape.columns))
    new = [f"NEW.{quoted(each)}" for each in shape.columns]
    taken = "".join(
        f"IF TG_OP = 'INSERT' THEN NEW.{quoted(n)} := coalesce(NEW.{quoted(old)}, NEW.{quoted(n)});"
        f" ELSIF NEW.{quoted(old)} IS DISTINCT FROM OLD.{quoted(old)} THEN NEW.{quoted(n)} := NEW.{quoted(old)};"
        f" END IF; NEW.{quoted(old)} := NEW.{quoted(n)}; "
        for n, old in names.items()
    )
    led = "".join(map(_led, apart))
    assigned = ", ".join(f"{quoted(each)} = NEW.{quoted(each)}" for each in shape.columns)
    own = sql_of(behind)
    return (
        f"BEGIN IF TG_OP = 'DELETE' THEN DELETE FROM {own} WHERE {same};"  # noqa: S608 - quoted, as all names here are
        " IF NOT FOUND THEN RETURN NULL; END IF; RETURN OLD; END IF; "
        f"{taken}{led}"
        f"IF TG_OP = 'INSERT' THEN INSERT INTO {own} ({listed}) VALUES ({', '.join(new)});"
        f" ELSE UPDATE {own} SET {assigned} WHERE {same};"
        " IF NOT FOUND THEN RETURN NULL; END IF; END IF; RETURN NEW; END"
    )


def _led(each: Split) -> str:
    """Return the trigger's code that links the row to the value in the other table, inserting the value if missing."""
    old, link, key, value = (quoted(name) for name in (each.old, each.link, each.key, each.value))
    other, fresh = sql_of(each.other), f"TG_OP = 'INSERT' AND NEW.{link} IS NULL"
    changed = f"TG_OP = 'UPDATE' AND NEW.{old} IS DISTINCT FROM OLD.{old}"
    made = f"INSERT INTO {other} ({value}) VALUES (NEW.{old}) ON CONFLICT ({value}) DO NOTHING"  # noqa: S608 - quoted
    found = f"SELECT {key} INTO NEW.{link} FROM {other} WHERE {value} = NEW.{old}"  # noqa: S608 - quoted
    return f"IF ({fresh}) THEN {made}; {found}; ELSIF ({changed}) THEN {made}; {found}; END IF; "
