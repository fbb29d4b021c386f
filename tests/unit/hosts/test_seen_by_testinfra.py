"""testinfra's facts, through our hosts (local and SSH), and the example in docs/hosts.md."""

import getpass
import grp
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Check
from runbook.errors import CommandTimedOut
from runbook.hosts.host import Host
from runbook.hosts.local import LocalHost
from runbook.hosts.seen_by_testinfra import seen_by_testinfra
from runbook.hosts.ssh.host import SshHost
from tests.support.parts import Heard
from tests.support.ssh_server import needs_sshd, ssh_server

PAGE = Path(__file__).parents[3] / "docs" / "hosts.md"


@pytest.fixture(scope="module", params=["local", pytest.param("ssh", marks=needs_sshd)])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if request.param == "local":
        yield LocalHost({}, Heard())
        return
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as server, server.connection() as connection:
        yield SshHost(connection, {}, Heard())


def test_facts(host: Host, tmp_path: Path) -> None:
    """Facts about files, users, mounts, processes, packages and sockets are right."""
    seen = seen_by_testinfra(host, 20)
    (tmp_path / "a b").write_text("PASSWORD=x\n")
    (tmp_path / "a b").chmod(0o640)
    file = seen.file(str(tmp_path / "a b"))
    assert (file.exists, file.mode, file.user, file.size) == (True, 0o640, getpass.getuser(), 11)
    assert file.contains("PASSWORD")
    assert not seen.file(str(tmp_path / "nothing")).exists
    assert seen.user().uid == os.getuid()
    assert isinstance(seen.user().groups, list)
    assert seen.mount_point("/proc").filesystem == "proc"
    assert seen.process.filter(pid=os.getpid())
    assert isinstance(seen.package("no-such-package-4711").is_installed, bool)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert seen.socket(f"tcp://127.0.0.1:{port}").is_listening
    assert not seen.socket(f"tcp://127.0.0.1:{port}").is_listening


def test_each_fact_has_a_deadline_and_is_on_record(host: Host) -> None:
    """A command that testinfra runs is recorded and has the deadline."""
    heard = Heard()
    told = SshHost(host.connection, {}, heard) if isinstance(host, SshHost) else LocalHost({}, heard)
    seen = seen_by_testinfra(told, 1)
    assert seen.run("echo %s", "it's").stdout == "it's\n"
    assert str(heard.ended[0].command) == """sh -c 'echo '"'"'it'"'"'"'"'"'"'"'"'s'"'"''"""
    with pytest.raises(CommandTimedOut, match="within 1 s"):
        seen.run("sleep 4720")


def test_facts_of_the_docs(host: Host, tmp_path: Path) -> None:
    """Each line of the table in docs/hosts.md gives a fact, locally and over SSH."""
    (tmp_path / "it's.env").write_text("IMAGE_TAG=é\n")
    (tmp_path / "it's.env").chmod(0o640)
    table = PAGE.read_text().partition("| what | how |")[2].partition("\n\n")[0]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        named = {
            "host": seen_by_testinfra(host, 20),
            "env_file": str(tmp_path / "it's.env"),
            "port": listening.getsockname()[1],
        }
        written = re.findall(r"`([^`]+)`", table)
        found = {each: eval(each, named) for each in written}  # noqa: S307 - our own page
    assert len(found) == 10
    owner, mode, contains, free, filesystem, options, groups, listens, processes, package = found.values()
    assert (owner, mode, contains, filesystem, listens) == (getpass.getuser(), "0o640", True, "proc", True)
    assert free > 0
    assert "rw" in options
    assert grp.getgrgid(os.getgid()).gr_name in groups
    assert len(processes) == 1
    assert isinstance(package, bool)


def test_output_that_is_no_text(host: Host) -> None:
    """Output that is not UTF-8 is read with one command, without Python on the host."""
    heard = Heard()
    told = SshHost(host.connection, {}, heard) if isinstance(host, SshHost) else LocalHost({}, heard)
    assert seen_by_testinfra(told, 10).run(r"printf 'a\377\303\251'").stdout == "a\ufffdé"
    assert len(heard.ended) == 1


def test_example_of_the_docs(host: Host, tmp_path: Path) -> None:
    """The step in docs/hosts.md works as printed, locally and over SSH."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    named: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), named)  # noqa: S102 - our own page
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)

    def look() -> tuple[bool, str]:
        check: Check = named["private"](seen_by_testinfra(host, 20), str(path), getpass.getuser())
        found = check.observe()
        return found.ok, found.seen

    assert look() == (False, f"{getpass.getuser()}, mode 644")
    path.chmod(0o600)
    assert look() == (True, f"{getpass.getuser()}, mode 600")
