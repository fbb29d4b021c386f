"""An engine that `docker` reaches over ssh, as a local socket. Each connection runs `docker system dial-stdio`.

`docker` itself talks to such an engine in this way. Keys, agent and known hosts are those of ssh.
"""

import shutil
import socket
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress

from runbook.hosts.signals import signals_blocked, signals_unblocked


class DialedEngine:
    """Listens at `url` until it is closed or garbage-collected."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        """`url` is the engine's (ssh://deploy@prod-1), `environment` that of commands. Raises OSError."""
        folder = tempfile.mkdtemp(prefix="engine-")  # mode 700
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"{folder}/socket")
        server.listen()
        self.url = f"unix://{folder}/socket"
        self._ending = weakref.finalize(self, _end, server, folder)
        argv = ("docker", "--host", url, "system", "dial-stdio")
        with signals_blocked():
            threading.Thread(target=_serve, args=(server, argv, dict(environment)), daemon=True).start()

    def close(self) -> None:
        """Stop listening. Open connections end when their clients close them."""
        self._ending()


def _end(server: socket.socket, folder: str) -> None:
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)  # ends `accept`
    server.close()
    shutil.rmtree(folder, ignore_errors=True)


def _serve(server: socket.socket, argv: tuple[str, ...], environment: dict[str, str]) -> None:
    children: list[subprocess.Popen[bytes]] = []
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError), signals_unblocked():
                children.append(_dial(connection, argv, environment))
            children = [child for child in children if child.poll() is None]
    for child in children:
        child.wait()


def _dial(connection: socket.socket, argv: tuple[str, ...], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    # The program ends with the connection. If it cannot be started, the connection is closed at once.
    return subprocess.Popen(  # noqa: S603 - a list built by our code, no shell
        argv,
        env=environment,
        stdin=connection.fileno(),
        stdout=connection.fileno(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
