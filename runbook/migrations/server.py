"""How PostgreSQL's client programs are called: inside the database's container, or for one elsewhere, by its URL.

No password stands in an argv, an image or a file: a small shell reads it from its standard input into the environment
of the program that it then becomes.
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
#: The parts of a URL's query that are libpq's, and that its programs take from their environment.
_LIBPQ = {
    "sslmode": "PGSSLMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
}
#: By the name of its database option, where a program has another one than the rest.
_DATABASE_OPTION = {"pg_dumpall": "--database", "createdb": "--maintenance-db"}


@dataclass(frozen=True)
class DatabaseUrl:
    """Where a database is that is no service of the project, and who asks it; `environment` are libpq's variables."""

    host: str
    port: int
    user: str
    name: str
    password: SecretStr
    environment: tuple[str, ...] = ()

    @classmethod
    def parse(cls, url: SecretStr) -> Self:
        """Read a URL such as SQLAlchemy and libpq take; a driver's name in its scheme does not matter.

        Raises SettingsError, without the URL, when it is none.

        >>> DatabaseUrl.parse(SecretStr("postgresql+psycopg://shop:s%2Fw@db.example/shop?sslmode=require")).environment
        ('PGSSLMODE=require',)
        """
        try:
            parts = urlsplit(url.get_secret_value().strip())
            port = parts.port or 5432
        except ValueError:
            raise _no_url("it is no URL") from None
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
        "put postgresql://USER:PASSWORD@HOST:PORT/NAME there",
    )


class Server:
    """One PostgreSQL server, as its client programs reach it."""

    def __init__(
        self, production: Production, settings: DatabaseSettings, url: Callable[[], SecretStr] | None = None
    ) -> None:
        """`url` gives the secret of `database.url`; it is asked when a command is first made."""
        self.production = production
        self._settings = settings
        self._secret = url

    @cached_property
    def elsewhere(self) -> DatabaseUrl | None:
        """Where it is, if it is no service of the project. Raises SettingsError when its URL cannot be had."""
        return DatabaseUrl.parse(self._secret()) if self._secret else None

    @property
    def user(self) -> str:
        """Who asks it."""
        return self.elsewhere.user if self.elsewhere else self._settings.user

    @property
    def name(self) -> str:
        """The database's name in it."""
        return self.elsewhere.name if self.elsewhere else self._settings.name

    @property
    def told(self) -> str:
        """Where it is, in words."""
        there = self.elsewhere
        return f"{there.host}:{there.port}" if there else f"the service {self._settings.service}"

    @property
    def remedy(self) -> str:
        """What to look at when it does not answer."""
        if self.elsewhere is None:
            return (
                f"look at the service {self._settings.service}, and at database.user, database.name and"
                " database.version_table in the settings"
            )
        client = f"the image {self._settings.image} (database.image)" if self._settings.image else "this host"
        return (
            f"look at the secret of database.url, and whether {client} has PostgreSQL's programs and reaches"
            f" {self.told}; database.image names an image on the host that has them"
        )

    def command(
        self,
        program: str,
        *options: str,
        user: str | None = None,
        deadline: float | None = None,
        database: str | None = None,
    ) -> Command:
        """Return the command that runs one of PostgreSQL's client programs on the database, as `user`.

        `database` is another one of the same server.
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
        """Run one of PostgreSQL's client programs that only looks, and return how it ended."""
        if self.elsewhere is not None:
            return self.production.host.run(self.command(program, *options, deadline=deadline))
        asking = (program, "--username", self.user, _DATABASE_OPTION.get(program, "--dbname"), self.name, *options)
        return self.production.ask(ServiceCommand(service=self._settings.service, command=asking), deadline)

    def fed(self, path: str, command: Command) -> Command:
        """Return `command` with a file on the host as its standard input, behind the password where it reads one."""
        feeding = _FED if command.stdin is None else _FED_BEHIND
        return replace(command, argv=("sh", "-c", feeding, path, *command.argv))

    def to_file(self, path: str, command: Command) -> Command:
        """Return `command` with what it prints written to a file on the host that is its owner's alone."""
        return replace(
            command, argv=("sh", "-c", 'umask 077; out=$1; shift; exec "$@" > "$out"', "sh", path, *command.argv)
        )

    def reading(self, path: str, *argv: str, deadline: float | None = None) -> Command:
        """Return the command that runs one of its programs on a file on the host, without asking the server."""
        if self._settings.image:
            there = self.elsewhere
            alone = (*self._container(there, "--network", "none"), self._settings.image) if there else ()
            argv = ("sh", "-c", _FED, path, *alone, "-c", 'exec "$@"', "sh", *argv)
        else:
            argv = (*argv, path)
        return self.production.command(*argv, deadline=deadline)

    def typed(self, program: str, *options: str) -> str:
        """Return what a person types for one of its programs, which then asks for the password by itself."""
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
        # As the host itself reaches it: names, routes and allowed addresses are the host's.
        return "--network", "host"

    def _container(self, there: DatabaseUrl, *network: str) -> tuple[str, ...]:
        variables = tuple(part for each in there.environment for part in ("--env", each))
        alone = ("--rm", "--interactive", "--pull", "never", "--read-only", "--cap-drop", "ALL")
        return ("docker", "run", *alone, *network, *variables, "--entrypoint", "sh")
