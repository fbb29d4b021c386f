"""Access to an external database: the password goes on standard input, never into an argument or the journal."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import SettingsError
from runbook.hosts.command import Command
from runbook.hosts.local import LocalHost
from runbook.migrations.database import Database
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restore_steps import Restoring
from runbook.migrations.server import DatabaseUrl, Server
from runbook.production.compose import Production
from runbook.settings.database import DatabaseSettings
from runbook.settings.schema import Project
from runbook.settings.secret_source import SecretSource
from tests.support.incident_parts import DEADLINES, incident

PASSWORD = "s3 cret/with'signs"
URL = SecretStr("postgresql+asyncpg://shop:s3%20cret%2Fwith'signs@db.example:6432/sales?sslmode=require&x=1")
#: Replaces every program of PostgreSQL: it prints its arguments, its password and its SSL mode.
_TELLS = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv, os.environ.get("PGPASSWORD"), os.environ.get("PGSSLMODE")]))
"""


def database(folder: Path, **settings: Any) -> tuple[Database, LocalHost]:
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    for name in ("psql", "pg_dump", "pg_restore", "docker"):
        (binaries / name).write_text(_TELLS)
        (binaries / name).chmod(0o755)
    found = incident(folder)
    host = LocalHost({"PATH": f"{binaries}:/usr/bin:/bin"}, found)
    production = Production(host, Project.model_validate({"name": "shop", "directory": str(folder)}), DEADLINES)
    given = DatabaseSettings(url=SecretSource(env="DB"), **settings)
    return Database(production, given, lambda: URL), host


def told(host: LocalHost, command: Command) -> tuple[list[str], str | None, str | None]:
    argv, password, sslmode = json.loads(host.check(command).text)
    return argv, password, sslmode


def test_program_of_the_host_gets_the_password_in_its_environment(tmp_path: Path) -> None:
    """Host, port, user and database are arguments; the password is not, and unknown URL options are left out."""
    asked, host = database(tmp_path)
    command = asked.server.command("psql", "--command", "SELECT 1")
    argv, password, sslmode = told(host, command)
    assert argv[1:] == [
        "--host", "db.example", "--port", "6432", "--no-password", "--username", "shop", "--dbname", "sales",
        "--command", "SELECT 1",
    ]  # fmt: skip
    assert (password, sslmode) == (PASSWORD, "require")
    assert "cret" not in str(command)
    journal = (tmp_path / "journal.jsonl").read_text()
    assert [line for line in journal.splitlines() if '"kind": "command began"' in line and "cret" in line] == []


def test_program_of_an_image(tmp_path: Path) -> None:
    """The program runs in the image on the host's network, never pulls it, and gets the password on standard input."""
    asked, host = database(tmp_path, image="postgres:16")
    command = asked.server.command("pg_dump", "--format", "custom")
    argv, _, _ = told(host, command)
    words = " ".join(argv)
    assert "run --rm --interactive --pull never" in words
    assert "--network host --env PGSSLMODE=require --entrypoint sh postgres:16 -c " in words
    assert words.endswith(
        "pg_dump --host db.example --port 6432 --no-password --username shop --dbname sales --format custom"
    )
    assert command.stdin == PASSWORD.encode() + b"\n"
    assert "cret" not in str(command)


def test_dump_is_its_owners_alone(tmp_path: Path) -> None:
    """The dump is written on the host with mode 600, and read back without a connection to the server."""
    asked, host = database(tmp_path)
    path = tmp_path / "a dump"
    host.check(asked.server.to_file(str(path), asked.server.command("pg_dump")))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())[1] == PASSWORD
    argv, password, _ = told(host, asked.server.reading(str(path), "pg_restore", "--list"))
    assert (argv[1:], password) == (["--list", str(path)], None)
    (tmp_path / "other").mkdir()
    in_image, there = database(tmp_path / "other", image="postgres:16")
    argv, password, _ = told(there, in_image.server.reading(str(path), "pg_restore", "--list"))
    assert ("--network none" in " ".join(argv), password) == (True, None)


def test_restore_point_of_a_database_elsewhere(tmp_path: Path) -> None:
    """The restore point's commands write on the host and leave nothing in a container."""
    asked, _ = database(tmp_path)
    (tmp_path / "other").mkdir()
    found = incident(tmp_path / "other")
    settings = DatabaseSettings(url=SecretSource(env="DB"))
    point = RestorePoint(asked, settings, DEADLINES, found, Restoring(asked.server.production, asked, None))
    change = point.taking(lambda: None)
    assert [each.path for each in change.leaves] == [point.path, f"{point.path}.sha256"]
    assert not any("compose" in str(command) for command in change.commands)
    assert point.tidying().already() == "the dump was written directly to the host; no container has one"
    assert "--host db.example --port 6432 --username" in asked.server.typed("createdb", "--username", "shop")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://a:b@c/d", "does not begin with postgresql://"),
        ("postgresql://a:secret@/d", "has no host"),
        ("postgresql://host/d", "has no user"),
        ("postgresql://a:secret@host", "has no name"),
        ("postgresql://a:secret@host:port/d", "is not a URL"),
    ],
)
def test_what_is_no_address_is_said_without_it(url: str, why: str) -> None:
    """An invalid URL is refused with the reason, and its password is not shown."""
    with pytest.raises(SettingsError, match=why) as caught:
        DatabaseUrl.parse(SecretStr(url))
    assert "secret@" not in str(caught.value)


def test_service_of_the_project_is_asked_inside_its_container(tmp_path: Path) -> None:
    """A database that is a service of the project is accessed in its container, without a password."""
    asked, _ = database(tmp_path)
    production = asked.server.production
    production.compose = lambda *words, **_: Command(("docker", *words), 1)  # type: ignore[method-assign]
    server = Server(production, DatabaseSettings(user="shop", name="sales"))
    command = server.command("psql", "-c", "x")
    assert command.argv == ("docker", "exec", "-T", "db", "psql", "--username", "shop", "--dbname", "sales", "-c", "x")
    assert (command.stdin, server.elsewhere) == (None, None)
    assert os.environ.get("PGPASSWORD") is None
