"""A production whose database service is a PostgreSQL of the tests: `docker` is a script that runs its programs.

Everything else is real: the commands, the host, the dumps, the server.
"""

from pathlib import Path

from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor
from runbook.migrations.database import Database
from runbook.production.compose import Production
from runbook.production.invocation import Invocation
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Deadlines, Project
from tests.engine.postgres_cluster import Cluster

DEADLINES = Deadlines(command=60, dump=60, migrate=60, up=60, healthy=60)
_SCRIPT = """#!/bin/sh
while [ $# -gt 0 ] && [ "$1" != exec ] && [ "$1" != cp ]; do shift; done
[ $# -gt 0 ] || exit 0
if [ "$1" = cp ]; then exec cp -- "${{2#db:}}" "$3"; fi
shift 3
export PGHOST={socket} LC_ALL=C.UTF-8
PATH={programs}:$PATH exec "$@"
"""


class _Called(Invocation):
    def argv(self, _project: Project) -> tuple[str, ...]:
        return ("docker", "compose")


def production(folder: Path, server: Cluster, found: Executor) -> Production:
    """Return a production in `folder` whose service db is `server`."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "docker"
    script.write_text(_SCRIPT.format(socket=server.socket, programs=server.programs))
    script.chmod(0o755)
    host = LocalHost({"PATH": f"{programs}:/usr/bin:/bin"}, found)
    made = Production(host, Project.model_validate({"name": "shop", "directory": str(folder)}), DEADLINES)
    made.invocation = _Called((), (".env",))
    return made


def settings(name: str = "shop", user: str = "postgres") -> DatabaseSettings:
    """Return the settings of a database on that server."""
    return DatabaseSettings(user=user, name=name)


def database(folder: Path, server: Cluster, found: Executor, name: str = "shop") -> Database:
    """Return that database."""
    return Database(production(folder, server, found), settings(name))
