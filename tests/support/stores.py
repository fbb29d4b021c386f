"""Real stores for the tests: moto's server in AWS's place, and OpenBao in its development mode."""

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
    """Moto's server; gives its address."""
    with _server(lambda port: [beside_python("moto_server"), "--port", str(port)], "/moto-api/") as url:
        yield url


@contextmanager
def openbao_server() -> Iterator[str]:
    """OpenBao with everything in memory, and a key-value engine of version 2 at `secret`; gives its address."""
    argv = [beside_python("bao"), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    with _server(lambda port: [*argv, f"-dev-listen-address=127.0.0.1:{port}"], "/v1/sys/health") as url:
        yield url


def bao(
    url: str, method: str, path: str, *, namespace: str = "", token: str = ROOT_TOKEN, **body: object
) -> dict[str, Any]:
    """Ask OpenBao's API as a person would by curl."""
    headers = {"X-Vault-Token": token} | ({"X-Vault-Namespace": namespace} if namespace else {})
    answer = httpx.request(method, f"{url}/v1/{path}", headers=headers, json=body or None, timeout=5)
    assert answer.status_code < 400, answer.text
    return answer.json() if answer.content else {}


def beside_python(program: str) -> str:
    """The path of a program that a package of ours brings."""
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
