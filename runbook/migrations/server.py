"""Commands that run PostgreSQL's client programs: in the database's container, or on an external database by its URL.

The password is never in an argv, an image or a file: a small shell reads it from standard input into the environment,
then replaces itself with the program (exec).
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from runbook.errors import SettingsError
from runbook.hosts.command import Command, Completed
from runbook.production.compose import Production
from runbook.settings.application import ServiceCommand
from runbook.settings.database import DatabaseSettings

_IN_ENVIRONMENT = 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec "$@"'
_FED = 'exec "$@" < "$0"'
_FED_BEHIND = '{ cat; cat -- "$0"; } | "$@"'
#: The URL query parameters that are passed to libpq as environment variables.
_LIBPQ = {
    "sslmode": "PGSSLMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
}
#: The database option of the programs that do not call it `--dbname`.
_DATABASE_OPTION = {"pg_dumpall": "--database", "createdb": "--maintenance-db"}


@dataclass(frozen=True)
class DatabaseUrl:
    """The address and login of a database that is not a service of the project. `environment` is for libpq."""

    host: str
    port: int
    user: str
    name: str
    password: SecretStr
    environment: tuple[str, ...] = ()

    @classmethod
    def parse(cls, url: SecretStr) -> Self:
        """Parse a URL in the form that SQLAlchemy and libpq accept. A driver name in the scheme is ignored.

        Raises SettingsError, without the URL in its message, when the URL is invalid.

        >>> DatabaseUrl.parse(SecretStr("postgresql+psycopg://shop:s%2Fw@db.example/shop?sslmode=require")).environment
        ('PGSSLMODE=require',)
        """
        try:
            parts = urlsplit(url.get_secret_value().strip())
            port = parts.port or 5432
        except ValueError:
            raise _no_url("it is not a URL") from None
        name = unquote(parts.path.lstrip("/"))
        if parts.scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise _no_url("it does not begin with postgresql://")
        missing = [
            what for what, there in (("host", parts.hostname), ("user", parts.username), ("name", name)) if not there
        ]
        if missing:
            raise _no_url(f"it has no {' and no '.join(missing)}")
        given = dict(parse_qsl(parts.query))
        environment = tuple(f"{variable}={given[key]}" for key, variable in _LIBPQ.items() if key in given)
        password = SecretStr(unquote(parts.password or ""))
        return cls(str(parts.hostname), port, unquote(str(parts.username)), name, password, environment)


def _no_url(why: str) -> SettingsError:
    return SettingsError(
        f"the secret of database.url is not the address of a PostgreSQL database: {why}",
        "set the secret to postgresql://USER:PASSWORD@HOST:PORT/NAME",
    )


class Server:
    """The commands of PostgreSQL's client programs for one server."""

    def __init__(
        self, production: Production, settings: DatabaseSettings, url: Callable[[], SecretStr] | None = None
    ) -> None:
        """`url` returns the secret of `database.url`. It is first called when the address is needed."""
        self.production = production
        self._settings = settings
        self._secret = url

    @cached_property
    def elsewhere(self) -> DatabaseUrl | None:
        """The address of an external database, or None. Raises SettingsError when the URL is missing or invalid."""
        return DatabaseUrl.parse(self._secret()) if self._secret else None

    @property
    def user(self) -> str:
        """The user that connects."""
        return self.elsewhere.user if self.elsewhere else self._settings.user

    @property
    def name(self) -> str:
        """The database's name."""
        return self.elsewhere.name if self.elsewhere else self._settings.name

    @property
    def told(self) -> str:
        """The server's location, in words."""
        there = self.elsewhere
        return f"{there.host}:{there.port}" if there else f"the service {self._settings.service}"

    @property
    def remedy(self) -> str:
        """The advice for a server that does not answer."""
        if self.elsewhere is None:
            return (
                f"check the service {self._settings.service}, and database.user, database.name and"
                " database.version_table in the settings"
            )
        client = f"the image {self._settings.image} (database.image)" if self._settings.image else "this host"
        return (
            f"check the secret of database.url, and that {client} has psql, pg_dump and pg_restore and can reach"
            f" {self.told}; database.image can name an image on the host that has them"
        )

    def command(
        self,
        program: str,
        *options: str,
        user: str | None = None,
        deadline: float | None = None,
        database: str | None = None,
    ) -> Command:
        """Return the command that runs a PostgreSQL client program on the database, as `user`.

        `database` selects another database of the same server.
        """
        who, where = user or self.user, _DATABASE_OPTION.get(program, "--dbname")
        asking = (program, "--username", who, where, database or self.name, *options)
        there = self.elsewhere
        if there is None:
            return self.production.compose("exec", "-T", self._settings.service, *asking, deadline=deadline)
        argv = ("sh", "-c", _IN_ENVIRONMENT, "sh", *self._reaching(there, asking))
        if self._settings.image:
            argv = (*self._container(there, *self._network), self._settings.image, *argv[1:])
        else:
            argv = (*(("env", *there.environment) if there.environment else ()), *argv)
        command = self.production.command(*argv, deadline=deadline)
        return replace(command, stdin=there.password.get_secret_value().encode() + b"\n")

    def ask(self, program: str, *options: str, deadline: float | None = None) -> Completed:
        """Run a PostgreSQL client program that only reads, and return its result."""
        if self.elsewhere is not None:
            return self.production.host.run(self.command(program, *options, deadline=deadline))
        asking = (program, "--username", self.user, _DATABASE_OPTION.get(program, "--dbname"), self.name, *options)
        return self.production.ask(ServiceCommand(service=self._settings.service, command=asking), deadline)

    def with_stdin(self, path: str, command: Command) -> Command:
        """Return `command` with a file on the host as its standard input, after the password if it reads one."""
        feeding = _FED if command.stdin is None else _FED_BEHIND
        return replace(command, argv=("sh", "-c", feeding, path, *command.argv))

    def to_file(self, path: str, command: Command) -> Command:
        """Return `command` with its output written to a file on the host that only its owner can read."""
        return replace(
            command, argv=("sh", "-c", 'umask 077; out=$1; shift; exec "$@" > "$out"', "sh", path, *command.argv)
        )

    def reading(self, path: str, *argv: str, deadline: float | None = None) -> Command:
        """Return the command that runs a client program on a file on the host, without a connection to the server."""
        if self._settings.image:
            there = self.elsewhere
            alone = (*self._container(there, "--network", "none"), self._settings.image) if there else ()
            argv = ("sh", "-c", _FED, path, *alone, "-c", 'exec "$@"', "sh", *argv)
        else:
            argv = (*argv, path)
        return self.production.command(*argv, deadline=deadline)

    def typed(self, program: str, *options: str) -> str:
        """Return the command line that a person types for a client program, which then prompts for the password."""
        there = self.elsewhere
        if there is None:
            return str(self.production.compose("exec", "-T", self._settings.service, program, *options))
        place = ("--host", there.host, "--port", str(there.port))
        return shlex.join((*(("env", *there.environment) if there.environment else ()), program, *place, *options))

    @staticmethod
    def _reaching(there: DatabaseUrl, asking: tuple[str, ...]) -> tuple[str, ...]:
        program, *options = asking
        return (program, "--host", there.host, "--port", str(there.port), "--no-password", *options)

    @property
    def _network(self) -> tuple[str, str]:
        # The host's network, because names, routes and allowed addresses are the host's.
        return "--network", "host"

    def _container(self, there: DatabaseUrl, *network: str) -> tuple[str, ...]:
        variables = tuple(part for each in there.environment for part in ("--env", each))
        alone = ("--rm", "--interactive", "--pull", "never", "--read-only", "--cap-drop", "ALL")
        return ("docker", "run", *alone, *network, *variables, "--entrypoint", "sh")
