"""A network that drops packets silently: the loss is noticed and reported, and the command is settled later."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runbook.errors import ConnectionLost
from runbook.hosts.command import Command
from runbook.hosts.ssh.connection import Connection
from runbook.hosts.ssh.host import SshHost
from runbook.incident.executor import Executor, Mode
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from tests.support.ssh_server import SshServer, needs_sshd, ssh_server

pytestmark = needs_sshd


class Line:
    """A line to a local port that can be silenced: what is sent then arrives late, or never."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = threading.Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        for each in (self._server, *self.ends):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self.ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                self._open.wait()
                target.sendall(content)
            # The end of a stream is not passed on either while the line is silent.
            self._open.wait()
            target.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(server: SshServer, folder: Path) -> Iterator[tuple[Line, Connection]]:
    line = Line(server.port)
    config = folder / "config"
    text = server.config.read_text().replace(f"Port {server.port}\n", f"Port {line.port}\n  HostKeyAlias shop\n")
    config.write_text(text.replace(f"{server.folder}/known_hosts", f"{folder}/known"))
    (folder / "known").write_text("shop " + (server.folder / "known_hosts").read_text().partition(" ")[2])
    connection = Connection(server.address, config)
    try:
        yield line, connection
    finally:
        line.mend()
        connection.close()
        line.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as found:
        yield found


def running(words: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^{words}$"], capture_output=True, check=False).returncode == 0


def wait_until(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_command_in_the_silence(server: SshServer, tmp_path: Path) -> None:
    """A silent loss is noticed before the deadline, recorded as maybe running, and stopped by the next run."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    incident = Executor("i", Mode.EXECUTE, journal)
    script = f"echo once >> {tmp_path}/times; exec sleep 4731"
    command = Command(("sh", "-c", script), 600, if_stopped=("touch", str(tmp_path / "cleaned")))
    with line_to(server, tmp_path) as (line, connection):
        host = SshHost(connection, {}, incident)

        def when_it_works() -> None:
            wait_until(tmp_path / "times")
            line.silence()

        threading.Thread(target=when_it_works).start()
        began = time.monotonic()
        with incident.acting(), pytest.raises(ConnectionLost, match="it may still be running there"):
            host.run(command)
        assert time.monotonic() - began < 120
        (entry,) = [each for each in journal.entries if each.get("at_large")]
        assert str(script) in entry["command"]
        assert running("sleep 4731")
        assert not (tmp_path / "cleaned").exists()
    # The line stays dead, and the server still waits for this client.
    (began_entry,) = [each for each in journal.entries if each["kind"] == "command began"]
    began_entry["deadline"] = 0.5  # so that this test does not wait for all of it
    with server.connection() as connection:
        settle(journal, lambda _text: None, SshHost(connection, {}, incident))
    assert journal.entries[-1]["how"] in ("was stopped", "was gone")
    assert not running("sleep 4731")
    assert (tmp_path / "times").read_text() == "once\n"
    assert (tmp_path / "cleaned").exists()


def test_short_silence(server: SshServer, tmp_path: Path) -> None:
    """A silence shorter than ssh's patience only delays: the command runs once, over the same connection."""
    with line_to(server, tmp_path) as (line, connection):
        host = SshHost(connection, {}, Executor("i", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", Redactor())))
        host.run(Command(("true",), 10))
        line.silence()
        threading.Timer(6, line.mend).start()
        assert host.run(Command(("sh", "-c", f"echo once >> {tmp_path}/times; echo done"), 30)).text == "done\n"
        assert (tmp_path / "times").read_text() == "once\n"
        assert connection.made == 1
