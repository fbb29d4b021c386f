"""The line of a failing tool's output that is shown: its error, not a caret or a hint."""

import pytest

from runbook.hosts.command import error_line

PSQL = """ERROR:  relation "alembic_version" does not exist
LINE 1: SELECT version_num FROM alembic_version
                                ^
"""
HINTED = """psql:<stdin>:3: ERROR:  column "nam" does not exist
LINE 1: SELECT nam FROM t
               ^
HINT:  Perhaps you meant to reference the column "t.name".
"""
CONTEXT = """ERROR:  division by zero
CONTEXT:  SQL statement "SELECT 1/0"
PL/pgSQL function f() line 3 at PERFORM
"""
DOCKER = """docker: Error response from daemon: No such image: shop:v1.
See 'docker run --help'.
"""
NEW_DOCKER = """docker: Error response from daemon: exec: "python3": executable file not found in $PATH: unknown

Run 'docker run --help' for more information
"""
UNKNOWN_FLAG = """unknown flag: --nonsense

Usage:  docker compose run [OPTIONS] SERVICE [COMMAND] [ARGS...]

Run 'docker compose run --help' for more information
"""
CLICK = """Usage: flask [OPTIONS] COMMAND [ARGS]...
Try 'flask --help' for help.

Error: No such option '--config'.
"""
ARGPARSE = """usage: alembic [-h] [--version]
alembic: error: unrecognized arguments: --nonsense
"""
SQLALCHEMY = """Traceback (most recent call last):
  File "/srv/app.py", line 3, in <module>
    run()
sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) relation "x" does not exist
LINE 1: SELECT * FROM x
                      ^
[SQL: SELECT *
FROM x]
(Background on this error at: https://sqlalche.me/e/20/f405)
"""
DUMP = """pg_dump: error: query failed: ERROR:  permission denied for table orders
pg_dump: detail: Query was: LOCK TABLE public.orders IN ACCESS SHARE MODE
"""
SOCKET = """psql: error: connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory
\tIs the server running locally and accepting connections on that socket?
"""
ROLE = """psql: error: connection to server on socket "/run/.s.PGSQL.5432" failed: FATAL:  role "x" does not exist
"""
COMPOSE = """time="2025-12-18T03:15:02Z" level=error msg="odd"
service "api" refers to undefined volume data: invalid compose project
time="2025-12-18T03:15:02Z" level=warning msg="The \\"X\\" variable is not set."
"""
ALEMBIC = """INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
ERROR [alembic.util.messaging] Can't locate revision identified by '0004'
FAILED: Can't locate revision identified by '0004'
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        pytest.param(PSQL, 'ERROR:  relation "alembic_version" does not exist', id="psql's caret"),
        pytest.param(HINTED, 'psql:<stdin>:3: ERROR:  column "nam" does not exist', id="psql's hint"),
        pytest.param(CONTEXT, "ERROR:  division by zero", id="context of several lines"),
        pytest.param(DOCKER, DOCKER.splitlines()[0], id="docker 20"),
        pytest.param(NEW_DOCKER, NEW_DOCKER.splitlines()[0], id="docker 27"),
        pytest.param(UNKNOWN_FLAG, "unknown flag: --nonsense", id="docker's usage"),
        pytest.param(CLICK, "Error: No such option '--config'.", id="click"),
        pytest.param(ARGPARSE, "alembic: error: unrecognized arguments: --nonsense", id="argparse"),
        pytest.param(SQLALCHEMY, SQLALCHEMY.splitlines()[3], id="SQLAlchemy"),
        pytest.param(DUMP, DUMP.splitlines()[0], id="pg_dump"),
        pytest.param(SOCKET, SOCKET.splitlines()[0], id="no server"),
        pytest.param(ROLE, ROLE.strip(), id="no such role"),
        pytest.param(COMPOSE, COMPOSE.splitlines()[1], id="Compose warns afterwards"),
        pytest.param(ALEMBIC, "FAILED: Can't locate revision identified by '0004'", id="Alembic"),
        pytest.param("\x1b[31mError: red\x1b[0m\nSee 'x --help'.\n", "Error: red", id="colours"),
        pytest.param("one\ntwo\n\n", "two", id="the last line where none is an error"),
        pytest.param("      ^\n", "^", id="nothing but asides"),
        pytest.param(" \n", "", id="nothing"),
        pytest.param("error: no such file\ngave up\n", "error: no such file", id="error before other words"),
        pytest.param("ValueError: 3: in a row\nbye\n", "bye", id="not every word with Error in it"),
    ],
)
def test_complaint_is_found(output: str, line: str) -> None:
    """The line with the error is shown, whatever lines follow it."""
    assert error_line(output) == line
