"""Other hosts and configurations: greetings, other shells, strict servers, jump hosts, odd paths."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook.errors import NoConnection
from runbook.hosts.command import Command
from runbook.hosts.http import HttpClient
from runbook.hosts.ssh.connection import Connection
from runbook.hosts.ssh.host import SshHost
from runbook.settings.host import SshAddress
from tests.support.parts import Heard, Reply, serving
from tests.support.ssh_server import SshServer, needs_sshd, ssh_server

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as found:
        yield found


def works(connection: Connection) -> SshHost:
    """Check that commands, questions and forwards work over this connection, and return its host."""
    host = SshHost(connection, {"X": "é"}, Heard())
    done = host.run(Command(("sh", "-c", 'cat; echo "$X"; echo err >&2; exit 3'), 20, stdin=b"in\n"))
    assert (done.stdout.decode(), done.stderr, done.exit_code) == ("in\né\n", b"err\n", 3)
    assert host.machine()[0] == socket.gethostname()
    assert host.process_start(os.getpid()) is not None
    assert host.process_start(2**22 + 1) is None
    http = HttpClient(5, Heard(), connection)
    with serving(lambda _: Reply(200, body=b"hello")) as found:
        assert http.get(f"{found.url}/x").body == "hello"
    http.close()
    return host


def as_login_shell(folder: Path, script: str) -> str:
    """Return a line of sshd_config that runs every command through this script, like a login shell."""
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"ForceCommand {path}"


_GREETING = (
    'echo "Welcome (shop)"; echo "PATH=/nowhere"; echo .; echo "nothing works today) 1 2 3" >&2;'
    ' printf "no end of line";'
)


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "fish", "tcsh", "zsh"])
@pytest.mark.parametrize("greeting", ["", _GREETING])
def test_login_shell(tmp_path: Path, shell: str, greeting: str) -> None:
    """With any login shell and any greeting, only the command's own output is read."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    line = as_login_shell(tmp_path, f'{greeting} exec {shell} -c "$SSH_ORIGINAL_COMMAND"')
    with ssh_server(tmp_path / "s", line) as odd, odd.connection() as connection:
        host = works(connection)
        assert abs(host.now() - time.time()) < 10
        assert connection.environment["PATH"] != "/nowhere"


def test_clock_of_the_host_is_an_hour_ahead(tmp_path: Path) -> None:
    """If the host's clock is an hour ahead, the host's time counts."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/date").write_text('#!/bin/sh\nexec /bin/date --date "1 hour" "$@"\n')
    (tmp_path / "bin/date").chmod(0o755)
    line = as_login_shell(tmp_path, f'PATH={tmp_path}/bin:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"')
    with ssh_server(tmp_path / "s", line) as odd, odd.connection() as connection:
        assert abs(works(connection).now() - time.time() - 3600) < 10


@pytest.mark.parametrize("lines", [("MaxSessions 1",), ("MaxSessions 2",), ("MaxStartups 1",), ("UseDNS yes",)])
def test_strict_server(tmp_path: Path, lines: tuple[str, ...]) -> None:
    """A server that allows few sessions or connections at once works."""
    with ssh_server(tmp_path / "s", *lines) as strict, strict.connection() as connection:
        works(connection)


def test_server_that_turns_connections_away(tmp_path: Path) -> None:
    """If a stranger takes the only connection slot for a moment, the connection is made a moment later."""
    with (
        ssh_server(tmp_path / "s", "MaxStartups 1", "LoginGraceTime 2") as busy,
        socket.create_connection(("127.0.0.1", busy.port)) as stranger,
        busy.connection() as connection,
    ):
        stranger.recv(10)
        works(connection)


@pytest.mark.parametrize("command", ["/bin/date", "internal-sftp", "/bin/false", "/usr/sbin/nologin"])
def test_server_that_runs_something_else(tmp_path: Path, command: str) -> None:
    """A server that runs a fixed command is reported as such, not as a network that is down."""
    with ssh_server(tmp_path / "s", f"ForceCommand {command}") as odd, odd.connection() as connection:
        with pytest.raises(NoConnection) as caught:
            connection.connect()
        assert "runs no command, expected a login shell" in caught.value.seen
        assert f"ssh -F {odd.config}" in caught.value.next_step


@contextmanager
def configured(server: SshServer, folder: Path, *lines: str) -> Iterator[Connection]:
    """Yield a connection with the server's configuration and an operator's `lines` for this host."""
    config = folder / "config"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(server.config.read_text() + "".join(f"  {line}\n" for line in lines))
    connection = Connection(server.address, config)
    try:
        yield connection
    finally:
        connection.close()


def test_configuration_for_working_by_hand(server: SshServer, tmp_path: Path) -> None:
    """An operator's options for interactive work (tmux, forwards, sockets) do not affect the runbook."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lines = (
            "RemoteCommand tmux new -A -s work", "RequestTTY force", "PermitLocalCommand yes",
            f"LocalCommand touch {tmp_path}/touched", "ControlMaster auto", f"ControlPath {tmp_path}/own-%C",
            "ControlPersist 10m", "SessionType none", "ForkAfterAuthentication yes", "StdinNull yes", "LogLevel QUIET",
            f"LocalForward {taken.getsockname()[1]} 127.0.0.1:1", "ExitOnForwardFailure yes", "DynamicForward 1",
            "VisualHostKey yes", "SendEnv *", "ClearAllForwardings yes", "BatchMode no", "TCPKeepAlive no",
        )  # fmt: skip
        with configured(server, tmp_path, *lines) as connection:
            works(connection)
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_places_with_odd_names(server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder with spaces, percent signs or a long name is not used for the sockets."""
    for name in ("a b", "50%C", "~", "x" * 120):
        (tmp_path / name).mkdir()
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        with configured(server, tmp_path / name / "it's") as connection:
            works(connection)
        assert [path.name for path in (tmp_path / name).iterdir()] == ["it's"]


def test_jump_host(server: SshServer, tmp_path: Path) -> None:
    """A jump host works, with a space in the configuration's path, and its host key is checked too."""
    text = server.config.read_text()
    hidden = text.replace("Host shop-1\n", "Host shop-1\n  ProxyJump door\n")
    folder = tmp_path / "my settings"
    folder.mkdir()
    (folder / "config").write_text(hidden + text.replace("Host shop-1\n", "Host door\n"))
    connection = Connection(server.address, folder / "config")
    works(connection)
    connection.close()
    (folder / "known").write_text("")
    unknown = text.replace("Host shop-1\n", "Host door\n").replace(f"{server.folder}/known_hosts", '"%d/none"')
    (folder / "config").write_text(hidden + unknown)
    connection = Connection(server.address, folder / "config")
    with pytest.raises(NoConnection, match="Host key verification failed"):
        connection.connect()
    connection.close()


def test_ipv6_address_and_port(tmp_path: Path) -> None:
    """An IPv6 address in brackets with a port, as in the settings, works."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("no IPv6 here")
    with ssh_server(tmp_path / "s", f"ListenAddress [::1]:{port}") as server:
        kind, key = (server.folder / "host_key.pub").read_text().split()[:2]
        (server.folder / "known_hosts").write_text(f"[::1]:{port} {kind} {key}\n")
        config = tmp_path / "config"
        config.write_text(server.config.read_text().replace("Host shop-1\n  HostName 127.0.0.1\n", "Host *\n")
                          .replace(f"  Port {server.port}\n", ""))  # fmt: skip
        address = SshAddress.parse(f"ssh://{server.address.user}@[::1]:{port}")
        connection = Connection(address, config)
        works(connection)
        connection.close()
        (server.folder / "known_hosts").write_text("")
        with pytest.raises(NoConnection, match=rf"no host key of \[::1\]:{port} is known"):
            connection.connect()


def test_no_question_is_asked_by_other_windows(
    server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No graphical program that asks for passwords is started."""
    asked = tmp_path / "ask"
    asked.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    asked.chmod(0o755)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    text = server.config.read_text()
    config = tmp_path / "config"
    door = text.replace("Host shop-1\n", "Host door\n").replace(f"{server.folder}/known_hosts", "none")
    config.write_text(text.replace("Host shop-1\n", "Host shop-1\n  ProxyJump door\n") + door)
    connection = Connection(server.address, config)
    with pytest.raises(NoConnection):
        connection.connect()
    connection.close()
    assert not (tmp_path / "asked").exists()
