"""The live database and the ones next to it, queried and changed through a maintenance database of the same server.

That way databases can be renamed, and queried while the live one refuses connections.
"""

import csv
import io
from functools import cached_property

from runbook.clock import digits_of
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.migrations.database import Database, literal, quoted

_MOST_NAME = 63  # bytes of a name in PostgreSQL
_ROLES = """
SELECT rolname FROM pg_roles WHERE rolcanlogin AND (rolsuper OR rolname = current_user)
ORDER BY rolsuper DESC, rolname = current_user DESC, rolname LIMIT 5
"""
_MAY = """
SELECT rolsuper OR (rolcreatedb AND pg_has_role(rolname, d.datdba, 'MEMBER'))
FROM pg_roles, pg_database d WHERE rolname = current_user AND d.datname = {live}
"""
_IN_THE_WAY = """
SELECT 'a prepared transaction, ' || quote_literal(gid) FROM pg_prepared_xacts WHERE database = {live}
UNION ALL
SELECT 'a replication slot, ' || quote_literal(slot_name) FROM pg_replication_slots WHERE database = {live}
UNION ALL
SELECT 'a subscription, ' || quote_literal(s.subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = {live}
"""
# Some of these columns exist only in some versions of PostgreSQL.
_MADE_LIKE = """
SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
       coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
       coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datcollate'), t.spcname
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = {live}
"""
# What a dump without --create does not hold: settings of the database and of roles in it, grants, connection limit.
_LIKE = """
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', {new}, datconnlimit)
FROM pg_database WHERE datname = {live} AND datconnlimit <> -1
UNION ALL
SELECT CASE setrole WHEN 0 THEN format('ALTER DATABASE %I', {new})
       ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), {new}) END
       || CASE WHEN split_part(each, '=', 1) IN ('search_path', 'local_preload_libraries', 'temp_tablespaces')
               THEN format(' SET %I TO %s', split_part(each, '=', 1), substr(each, strpos(each, '=') + 1))
               ELSE format(' SET %I TO %L', split_part(each, '=', 1), substr(each, strpos(each, '=') + 1)) END
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) each
WHERE d.datname = {live}
UNION ALL
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {new}) FROM pg_database
WHERE datname = {live} AND datacl IS NOT NULL
UNION ALL
SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, {new},
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = {live}
"""
#: The exact row count of each table.
COUNTS = """
SET TRANSACTION READ ONLY; SET LOCAL row_security = off;
SELECT n.nspname || '.' || c.relname, (xpath('/row/held/text()', query_to_xml(
    format('SELECT count(*) AS held FROM ONLY %I.%I', n.nspname, c.relname), false, true, '')))[1]::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
ORDER BY 1
"""
_DIRECTORY = "SHOW data_directory"
# The last two statements of the swap. They run even if an earlier one failed. The first lets the databases accept
# connections again, the second fails if the swap did not happen.
_OPEN_AGAIN = """
DO $runbook$ DECLARE name text; BEGIN
    FOR name IN SELECT datname FROM pg_database WHERE NOT datallowconn AND datname IN ({live}, {aside}) LOOP
        EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true', name);
    END LOOP;
END $runbook$
"""
_SWAPPED = """
DO $runbook$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = {aside})
    OR NOT EXISTS (SELECT FROM pg_database WHERE datname = {live}) THEN
        RAISE EXCEPTION 'the databases were not swapped';
    END IF;
END $runbook$
"""


class Databases:
    """The databases of one server."""

    def __init__(self, database: Database, within: str) -> None:
        """`within` is the incident's name. Its digits make the names of the other databases unique to the incident."""
        self._server = database.server
        self.live = self._server.name
        digits = digits_of(within)
        #: The name of the restored database before the swap, and the name of the former live one after it.
        self.beside, self.aside = self._named(f"_restored_{digits}"), self._named(f"_before_{digits}")

    def _named(self, ending: str) -> str:
        room = _MOST_NAME - len(ending)
        return self.live.encode()[:room].decode(errors="ignore") + ending

    @property
    def _maintenance(self) -> str:
        return "template1" if self.live == "postgres" else "postgres"

    def ask(self, query: str, *, within: str | None = None, deadline: float | None = None) -> list[list[str]]:
        """Return the rows of a query, as text. Raises Inconclusive when the server does not answer."""
        return self._asked(query, self.role, within or self._maintenance, deadline)

    def _asked(self, query: str, role: str, within: str, deadline: float | None = None) -> list[list[str]]:
        done = self._server.production.host.run(self._psql(role, within, query, deadline=deadline))
        if done.exit_code != 0:
            raise Inconclusive(f"the database {within} does not answer: {done.last_line}", self._server.remedy)
        return list(csv.reader(io.StringIO(done.text)))

    def _psql(
        self, role: str, within: str, *statements: str, stop: bool = True, deadline: float | None = None
    ) -> Command:
        how = ("--no-psqlrc", *(("--set", "ON_ERROR_STOP=1") if stop else ()), "--quiet", "--csv", "--tuples-only")
        told = [word for each in statements for word in ("--command", each)]
        return self._server.command("psql", *how, *told, user=role, database=within, deadline=deadline)

    @cached_property
    def role(self) -> str:
        """The role that creates and renames databases: a superuser that can log in, otherwise the configured user.

        On an external server only the configured user is tried. Raises Inconclusive when no role has the rights.
        """
        own, live = self._server.user, literal(self.live)
        roles = [own]
        if not self._server.elsewhere:
            roles = [row[0] for row in self._asked(_ROLES, own, self._maintenance)] or roles
        why = ""
        for role in roles:
            done = self._server.production.host.run(self._psql(role, self._maintenance, _MAY.format(live=live)))
            if done.exit_code == 0 and done.text.strip() == "t":
                return role
            why = f" ({done.last_line})" if done.exit_code else why
        raise Inconclusive(
            f"none of {', '.join(roles)} may create a database and rename {self.live}{why}: that needs a superuser, or"
            " CREATEDB and membership in the role that owns it",
            f"give {own} the right (ALTER ROLE … CREATEDB), or restore by hand with the commands in the dump's record",
        )

    def names(self) -> list[str]:
        """Return the names of the server's databases."""
        return [row[0] for row in self.ask("SELECT datname FROM pg_database ORDER BY 1")]

    def remark(self, name: str) -> str:
        """Return a database's comment (COMMENT ON DATABASE), or an empty string."""
        query = "SELECT coalesce(shobj_description(oid, 'pg_database'), '-') FROM pg_database WHERE datname = "
        found = self.ask(query + literal(name))
        return found[0][0].removeprefix("-") if found else ""

    def in_the_way(self) -> list[str]:
        """Return what would prevent renaming the live database. Sessions do not count: they are terminated."""
        return [row[0] for row in self.ask(_IN_THE_WAY.format(live=literal(self.live)))]

    def version(self) -> int:
        """Return the server's major version."""
        return int(self.ask("SHOW server_version_num")[0][0]) // 10000

    def roles(self) -> list[str]:
        """Return the names of the server's roles."""
        return [row[0] for row in self.ask("SELECT rolname FROM pg_roles")]

    def extensions(self) -> list[str]:
        """Return the names of the extensions that can be created."""
        return [row[0] for row in self.ask("SELECT name FROM pg_available_extensions")]

    def size(self) -> int:
        """Return the live database's size in bytes, indexes included."""
        return int(self.ask(f"SELECT pg_database_size({literal(self.live)})")[0][0])

    def data_directory(self) -> str:
        """Return the server's data directory."""
        return self.ask(_DIRECTORY)[0][0]

    def counts(self, name: str, deadline: float) -> dict[str, int]:
        """Return the row count of each table of a database. `deadline`, in seconds, is for all tables together."""
        return {table: int(rows) for table, rows in self.ask(COUNTS, within=name, deadline=deadline)}

    def revisions(self, table: str) -> tuple[str, ...]:
        """Return Alembic's revisions in the restored database. `table` is the version table, quoted."""
        return tuple(sorted(row[0] for row in self.ask(f"SELECT version_num FROM {table}", within=self.beside)))  # noqa: S608 - quoted

    def making(self) -> tuple[Command, ...]:
        """Return the commands that create an empty database with the live one's owner, encoding, locale and tablespace.

        They first drop an existing one of this incident, which an interrupted restore left behind.
        """
        ((owner, encoding, collate, ctype, provider, locale, space),) = self.ask(
            _MADE_LIKE.format(live=literal(self.live))
        )
        of_provider = {
            "i": f" LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}",
            "b": f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}",
        }
        make = (
            f"CREATE DATABASE {quoted(self.beside)} OWNER {quoted(owner)} TEMPLATE template0"
            f" ENCODING {literal(encoding)} LC_COLLATE {literal(collate)} LC_CTYPE {literal(ctype)}"
            f"{of_provider.get(provider, '')} TABLESPACE {quoted(space)}"
        )
        drop = f"DROP DATABASE IF EXISTS {quoted(self.beside)}"
        return (self._psql(self.role, self._maintenance, drop, make),)

    def completing(self, remark: str, deadline: float) -> tuple[Command, ...]:
        """Return the commands that add what the dump does not hold, then mark the database as complete (`remark`)."""
        query = _LIKE.format(live=literal(self.live), new=literal(self.beside))
        like = [row[0] for row in self.ask(query)]
        told = f"COMMENT ON DATABASE {quoted(self.beside)} IS {literal(remark)}"
        return (
            self._psql(self.role, self.beside, "ANALYZE", deadline=deadline),
            self._psql(self.role, self._maintenance, *like, told),
        )

    def swapping(self) -> Command:
        """Return the command that swaps the restored database and the live one by renaming both in one transaction.

        It first blocks new connections to the live one and terminates the sessions of both. At the end it allows
        connections again, even if the swap fails.
        """
        live, aside = literal(self.live), literal(self.aside)
        ours = f"datname IN ({live}, {literal(self.beside)}) AND pid <> pg_backend_pid()"
        rename = "ALTER DATABASE {} RENAME TO {}"
        places = (
            rename.format(quoted(self.live), quoted(self.aside)),
            rename.format(quoted(self.beside), quoted(self.live)),
        )
        statements = (
            f"ALTER DATABASE {quoted(self.live)} WITH ALLOW_CONNECTIONS false",
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {ours}",  # noqa: S608 - quoted
            "; ".join(places),
            _OPEN_AGAIN.format(live=live, aside=aside),
            _SWAPPED.format(live=live, aside=aside),
        )
        return self._psql(self.role, self._maintenance, *statements, stop=False)

    def removing(self) -> str:
        """Return the command line that a person types to drop the database that was live before."""
        statement = f"DROP DATABASE {quoted(self.aside)}"
        return self._server.typed(
            "psql", "--username", self.role, "--dbname", self._maintenance, "--command", statement
        )
