"""A real OpenSSH server on a loopback port, running as the tests' user, with the client configuration for it."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook.hosts.ssh.connection import Connection
from runbook.settings.host import SshAddress

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

needs_sshd = pytest.mark.skipif(_SSHD is None, reason="no sshd: apt-get install openssh-server")


@dataclass
class SshServer:
    """The server, and an ssh configuration that knows it as the host `shop-1`."""

    folder: Path
    port: int
    process: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def address(self) -> SshAddress:
        return SshAddress("shop-1", getpass.getuser())

    def sessions(self) -> list[int]:
        """Return the server processes that carry one connection each."""
        return _children(self.process)

    def cut(self) -> None:
        """Kill every connection on the server's side, with its processes."""
        for session in self.sessions():
            for process in (session, *filter(_is_sshd, _children(session))):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        found = Connection(self.address, self.config)
        try:
            yield found
        finally:
            found.close()


def _children(process: int) -> list[int]:
    command = ["ps", "-o", "pid=", "--ppid", str(process)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def _is_sshd(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().startswith("sshd")
    return False


@contextmanager
def ssh_server(folder: Path, *more: str) -> Iterator[SshServer]:
    """Run a server. `more` are additional lines of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = SshServer(folder, port)
    public = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    server.config.write_text(
        f"Host shop-1\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile none\n"
    )
    lines = (
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host_key", "PidFile none", "UsePAM no",
        f"AuthorizedKeysFile {folder}/authorized_keys", "StrictModes no", "PasswordAuthentication no", *more,
        # The user's real shell startup files may take a while each time, and print anything.
        f"SetEnv HOME={folder}",
    )  # fmt: skip
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "sshd.log").open("wb") as log:
        command = [str(_SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(command, stderr=log, start_new_session=True)
    server.process = process.pid
    try:
        _wait_for(port)
        yield server
    finally:
        server.cut()
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"no SSH server at {port}")
