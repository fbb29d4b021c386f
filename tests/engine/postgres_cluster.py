"""A PostgreSQL for the tests: created under /tmp, reached only over its socket, and removed afterwards."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INSTALL = "install it: apt-get install postgresql-15 (or: script/bootstrap)"
_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c autovacuum=off -c max_connections=20"


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL: the folder of its programs, and the folder of its socket."""

    programs: Path
    socket: Path

    def psql(self, database: str, sql: str, *, stop: bool = True) -> subprocess.CompletedProcess[str]:
        """Run SQL text as psql runs a script. `stop` ends it at the first error, with exit code 3."""
        argv = [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", f"ON_ERROR_STOP={int(stop)}", "-U", "postgres"]
        argv += ["-h", self.socket, "-d", database]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        return subprocess.run(argv, input=sql, capture_output=True, text=True, check=False, timeout=60, env=environment)

    def must(self, database: str, sql: str) -> str:
        """Run SQL that must succeed."""
        done = self.psql(database, sql)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a PostgreSQL, and remove it afterwards."""
    programs = _programs()
    home = Path(tempfile.mkdtemp(prefix="runbook-postgres-", dir="/tmp"))
    server = [programs / "pg_ctl", "-D", home / "data", "-w", "-s"]
    try:
        if os.geteuid() == 0:
            os.chown(home, *_unprivileged())
        _run([programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        try:
            _run([*server, "-l", home / "log", "-o", f"{_OPTIONS} -c unix_socket_directories={home}", "start"])
            home.chmod(0o711)
            yield Cluster(programs, home)
        finally:
            _run([*server, "-m", "immediate", "stop"], check=False)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    plain = shutil.which("initdb")
    assert found or plain, f"PostgreSQL's server is not on this machine; {INSTALL}"
    return found[-1].parent if found else Path(plain or "").parent


def _unprivileged() -> tuple[int, int]:
    """Return a user for a server that refuses to run as root."""
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return user.pw_uid, user.pw_gid


def _run(argv: list[str | Path], *, check: bool = True) -> None:
    as_user = dict(zip(("user", "group"), _unprivileged(), strict=True)) if os.geteuid() == 0 else {}
    done = subprocess.run(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        cwd="/tmp",
        **as_user,
    )
    assert done.returncode == 0 or not check, done.stderr
