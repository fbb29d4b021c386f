"""Real secret stores for tests: moto's server in place of AWS, and OpenBao in development mode."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT_TOKEN = "root-token-4711"
_PATIENCE = 20.0  # seconds for a server to answer


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server and yield its URL."""
    with _server(lambda port: [beside_python("moto_server"), "--port", str(port)], "/moto-api/") as url:
        yield url


@contextmanager
def openbao_server() -> Iterator[str]:
    """Run OpenBao in memory, with a key-value engine version 2 at `secret`, and yield its URL."""
    argv = [beside_python("bao"), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    with _server(lambda port: [*argv, f"-dev-listen-address=127.0.0.1:{port}"], "/v1/sys/health") as url:
        yield url


def bao(
    url: str, method: str, path: str, *, namespace: str = "", token: str = ROOT_TOKEN, **body: object
) -> dict[str, Any]:
    """Call OpenBao's API, as with curl."""
    headers = {"X-Vault-Token": token} | ({"X-Vault-Namespace": namespace} if namespace else {})
    answer = httpx.request(method, f"{url}/v1/{path}", headers=headers, json=body or None, timeout=5)
    assert answer.status_code < 400, answer.text
    return answer.json() if answer.content else {}


def beside_python(program: str) -> str:
    """Return the path of a program installed by a Python package."""
    return str(Path(sys.executable).with_name(program))


@contextmanager
def _server(argv: Callable[[int], list[str]], health: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(argv(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                httpx.get(url + health, timeout=1).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, f"{argv(port)[0]} ended"
                assert time.monotonic() < until, f"{url} did not answer"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(10)
