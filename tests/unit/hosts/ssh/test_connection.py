"""The shared SSH connection: the exact ssh command, the refusals, and the remedy for each."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import NoConnection
from runbook.hosts.ssh import connection as module
from runbook.hosts.ssh.connection import Connection, connection_to
from runbook.settings.host import SshAddress
from tests.support.ssh_server import SshServer, needs_sshd, ssh_server

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as found:
        yield found


def test_exact_command(server: SshServer) -> None:
    """The ssh command asks no question, always checks host keys, and gets the host's name after `--`."""
    with server.connection() as connection:
        argv = connection.argv("true")
        options = [argv[at + 1] for at, word in enumerate(argv) if word == "-o"]
        (path,) = (option.partition("=")[2] for option in options if option.startswith("ControlPath="))
        assert argv[:3] == ("ssh", "-F", str(server.config))
        assert argv[-5:] == ("-l", server.address.user, "--", "shop-1", "true")
        assert options == [
            "BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "ServerAliveInterval=5",
            "ServerAliveCountMax=3", "ControlPersist=no", "RequestTTY=no", "RemoteCommand=none",
            "SessionType=default",
            "PermitLocalCommand=no", "ForkAfterAuthentication=no", "StdinNull=no", "ClearAllForwardings=yes",
            f"ControlPath={path}", "LogLevel=ERROR", "ControlMaster=no",
        ]  # fmt: skip
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700
        folder = Path(path).parent
    assert not folder.exists()


def test_no_other_way_in() -> None:
    """The product needs no other SSH library, and never skips the check of a host key."""
    root = Path(__file__).parents[4]
    told = "\n".join(path.read_text() for top in ("runbook", "harness", "steps") for path in (root / top).rglob("*.py"))
    assert "paramiko" not in told + (root / "pyproject.toml").read_text() + (root / "requirements.lock").read_text()
    assert "StrictHostKeyChecking=no" not in told
    assert "UserKnownHostsFile" not in told


def test_configuration_of_the_operator_counts_but_for_its_host_keys(server: SshServer, tmp_path: Path) -> None:
    """The operator's configuration applies, but it cannot turn off the check of host keys."""
    config = tmp_path / "config"
    config.write_text(
        server.config.read_text().replace("known_hosts\n", "nowhere\n", 1) + "  StrictHostKeyChecking no\n"
    )
    connection = Connection(server.address, config)
    with pytest.raises(NoConnection, match="no host key of"):
        connection.connect()
    connection.close()


def refusal(connection: Connection) -> NoConnection:
    with pytest.raises(NoConnection) as caught:
        connection.connect()
    connection.close()
    assert "expected one without a prompt" in caught.value.seen
    return caught.value


def test_unknown_host_key(server: SshServer, tmp_path: Path) -> None:
    """An unknown host key is refused, with the command to compare and accept it."""
    shutil.copytree(server.folder, tmp_path / "s")
    (tmp_path / "s" / "known_hosts").write_text("")
    config = tmp_path / "s" / "config"
    config.write_text(server.config.read_text().replace(str(server.folder), str(tmp_path / "s")))
    error = refusal(Connection(server.address, config))
    assert f"no host key of [127.0.0.1]:{server.port} is known here" in error.seen
    assert error.next_step.startswith("compare its key with the one you expect, and accept it: ssh -F ")
    assert " -o StrictHostKeyChecking=ask " in error.next_step
    assert error.next_step.endswith(" shop-1 true")


def test_host_key_that_has_changed(server: SshServer, tmp_path: Path) -> None:
    """A changed host key is refused, with the command to remove the old one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    key = (tmp_path / "other.pub").read_text().split()[1]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} ssh-ed25519 {key}\n")
    config = tmp_path / "config"
    text = server.config.read_text().replace(f"{server.folder}/known_hosts", str(tmp_path / "known"))
    config.write_text(text)
    error = refusal(Connection(server.address, config))
    assert f"the host key of [127.0.0.1]:{server.port} HAS CHANGED" in error.seen
    (forget,) = re.findall(r"remove the old key: (.*)", error.next_step)
    subprocess.run(shlex.split(forget), check=True, capture_output=True)
    # The command works as printed: the host key is now unknown.
    assert "is known here" in refusal(Connection(server.address, config)).seen


def test_refused_key(server: SshServer, tmp_path: Path) -> None:
    """A key that the host does not accept ends the connection, and no password is asked for."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    config = tmp_path / "config"
    config.write_text(server.config.read_text().replace(f"{server.folder}/key", str(tmp_path / "key")))
    error = refusal(Connection(server.address, config))
    assert "Permission denied" in error.seen
    assert "ssh-add" in error.next_step


def test_host_that_is_down() -> None:
    """A host without a listener is out of reach, with the command to check its SSH server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    connection = Connection(SshAddress("127.0.0.1", "deploy", port))
    assert not connection.out_of_reach
    error = refusal(connection)
    assert connection.out_of_reach
    assert "Connection refused" in error.seen
    assert error.next_step == f"check that an SSH server listens there: ssh -p {port} -l deploy 127.0.0.1 true"


def test_unknown_name() -> None:
    """A host name that cannot be resolved is reported as such."""
    error = refusal(Connection(SshAddress("shop-1.invalid", "deploy")))
    assert "Could not resolve hostname" in error.seen


def test_no_ssh_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an ssh client on this machine, the error says to install one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoConnection, match=r"ssh cannot be started: .* → install the OpenSSH client"):
        Connection(SshAddress("shop-1")).connect()


def test_one_connection_for_all(server: SshServer) -> None:
    """One address has one shared connection, made once, and made again after a loss."""
    connection = connection_to(server.address, server.config)
    assert connection_to(SshAddress.parse(str(server.address)), server.config) is connection
    assert connection.ask("echo yes") == b"yes\n"
    assert connection.ask("echo again") == b"again\n"
    assert (connection.made, len(server.sessions()), connection.out_of_reach) == (1, 1, False)
    server.cut()
    assert connection.ask("echo once more") == b"once more\n"
    connection.close()


def test_login_shells_variables(server: SshServer) -> None:
    """Only the variables that commands need are taken from the login shell, and the clock is the host's."""
    with server.connection() as connection:
        assert {"PATH", "HOME", "USER"} <= connection.environment.keys()
        assert "SSH_CONNECTION" not in connection.environment
        assert abs(connection.now() - time.time()) < 5


def test_server_that_forwards_nothing(tmp_path: Path) -> None:
    """If the server forbids forwarding, nothing is reached through it, and the refusal can be read."""
    no = ("AllowTcpForwarding no", "AllowStreamLocalForwarding no")
    with ssh_server(tmp_path / "s", *no) as strict, strict.connection() as connection:
        path = connection.path_to("127.0.0.1", strict.port)
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))
            assert asking.recv(10) == b""
        assert any("administratively prohibited" in line for line in connection.refusals())


def test_sign_of_life(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that holds the connection open writes a line regularly, and ends with its standard input."""
    monkeypatch.setattr(module, "_HOLDER", module._HOLDER.replace("timeout 60", "timeout 0.5"))
    with server.connection() as connection:
        connection.connect()
        assert connection._master is not None
        before, until = connection._master.output()[0], time.monotonic() + 20
        while len(connection._master.output()[0]) < len(before) + 3:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert connection.ask("echo yes") == b"yes\n"
        assert connection.made == 1
    until = time.monotonic() + 20
    while subprocess.run(["pgrep", "-f", "^timeout 0.5 cat"], capture_output=True, check=False).stdout:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_folder_of_a_run_that_was_killed_is_removed(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run's old socket folder is removed; one in use or just made stays."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    for name in ("gone", "used", "new"):
        (place / f"runbook-ssh-{name}").mkdir()
    (place / "runbook-ssh-used" / "c").touch()
    for name in ("gone", "used"):
        os.utime(place / f"runbook-ssh-{name}", (0, 0))
    with server.connection() as connection:
        connection.connect()
    assert sorted(path.name for path in place.iterdir()) == ["runbook-ssh-new", "runbook-ssh-used"]
    shutil.rmtree(place)


def test_nothing_is_left_when_this_process_dies(server: SshServer) -> None:
    """A killed process leaves no ssh connection."""
    program = (
        "import os, signal; from pathlib import Path; from runbook.hosts.ssh.connection import Connection;"
        "from runbook.settings.host import SshAddress;"
        f"c = Connection(SshAddress('shop-1', {server.address.user!r}), Path({str(server.config)!r}));"
        "c.connect(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    before = len(server.sessions())
    subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[4],
                   env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])})  # fmt: skip
    for _ in range(50):
        if len(server.sessions()) == before:
            return
        time.sleep(0.1)
    raise AssertionError(server.sessions())
