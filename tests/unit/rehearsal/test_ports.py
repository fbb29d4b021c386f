"""The loopback ports of a rehearsal."""

import socket

import pytest

from rehearsal.docker_host.ports import HIGHEST, LOWEST, demanded_port, free_ports
from rehearsal.errors import RehearsalError


def listener(address: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((address, 0))


def test_free_ports_differ_and_can_be_bound() -> None:
    """Free ports are all different, in the range, and can be bound."""
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        assert LOWEST <= port <= HIGHEST
        with socket.socket() as opened:
            opened.bind(("127.0.0.1", port))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - a port taken on all addresses is taken on loopback
def test_a_taken_port_is_refused_with_one_clear_line(address: str) -> None:
    """The refusal names the port in use and the options to type instead."""
    with listener(address) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RehearsalError) as refusal:
            demanded_port(port)
    line = str(refusal.value)
    assert line == (
        f"port {port} on 127.0.0.1 is in use by another program; "
        "choose another with --port NUMBER, or omit --port to get a free one"
    )


def test_a_port_that_was_just_given_up_is_accepted() -> None:
    """Lingering connections of a stopped server do not block its port."""
    server = listener()
    port = server.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = server.accept()
        # The side that closes first keeps the connection in TIME_WAIT: here the server.
        accepted.close()
    server.close()
    assert demanded_port(port) == port


@pytest.mark.parametrize("port", [-1, 0, 80, 1023, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    """Ports that need root or do not exist are refused."""
    with pytest.raises(RehearsalError, match=f"port {port} is out of range, expected 1024 to 65535"):
        demanded_port(port)
