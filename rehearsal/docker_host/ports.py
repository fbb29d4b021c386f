"""Loopback ports for a rehearsal."""

import random
import socket

from rehearsal.errors import RehearsalError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes local ports for outgoing connections.
LOWEST, HIGHEST = 20000, 29999
TRIES = 200


def is_free(port: int) -> bool:
    """Return whether a loopback port is free to listen on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger do not count, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return that many different free ports, drawn at random so that two rehearsals rarely collide."""
    found: set[int] = set()
    for _ in range(TRIES):
        if len(found) == count:
            break
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - no secret
        if is_free(port):
            found.add(port)
    if len(found) < count:
        raise RehearsalError(f"found {len(found)} free ports from {LOWEST} to {HIGHEST}, expected {count}")
    return sorted(found)


def demanded_port(port: int) -> int:
    """Return the port that the user asked for. Raises RehearsalError, in one line, if it is not available."""
    hint = "choose another with --port NUMBER, or omit --port to get a free one"
    if not 1024 <= port <= 65535:
        raise RehearsalError(f"port {port} is out of range, expected 1024 to 65535; {hint}")
    if not is_free(port):
        raise RehearsalError(f"port {port} on {LOOPBACK} is in use by another program; {hint}")
    return port
