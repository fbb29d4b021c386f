"""The registry's stock before the first push: the layers that every release is built on."""

import base64
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from rehearsal.docker_host.engine import Engine
from rehearsal.docker_host.labels import REHEARSAL
from rehearsal.docker_host.ports import free_ports
from rehearsal.errors import RehearsalError
from rehearsal.images.publish import PUSH_TIMEOUT, references

STORE = "/var/lib/docker-registry"
START_TIMEOUT = 20.0  # seconds


def stock_layers(registry_image: str, runtime: str, into: Path, owner: str) -> None:
    """Push the runtime image into a temporary registry, and copy the registry's storage into a folder.

    The layers stay, the image's manifest does not: the registry must list nothing but releases. The registry's
    container is labeled with the rehearsal `owner`. Raises RehearsalError.
    """
    with _passing_registry(registry_image, owner) as (engine, address, container):
        for name in references(address, "base").values():
            engine.docker("tag", runtime, name)
            try:
                engine.docker("push", "--quiet", name, timeout=PUSH_TIMEOUT)
            finally:
                engine.docker("image", "rm", name)
        engine.docker("cp", f"{container}:{STORE}/.", str(into))
    for entry in list(into.rglob("_manifests")):
        shutil.rmtree(entry)


@contextmanager
def _passing_registry(image: str, owner: str) -> Iterator[tuple[Engine, str, str]]:
    """Run a registry inside a with-block. Yields a logged-in engine, the registry's address and its container."""
    password = secrets.token_urlsafe(18)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as config:
        login = base64.b64encode(f"stock:{password}".encode()).decode()
        file = Path(config) / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": {address: {"auth": login}}}))
        engine = Engine(Path(config), hide=[password, login])
        container = engine.docker(
            *("run", "--detach", "--rm", "--label", f"{REHEARSAL}={owner}", "--publish", f"{address}:5000"),
            *("--env", "REGISTRY_USER", "--env", "REGISTRY_PASSWORD", image),
            more={"REGISTRY_USER": "stock", "REGISTRY_PASSWORD": password},
        ).strip()
        try:
            _wait_for(f"http://{address}/v2/")
            yield engine, address, container
        finally:
            engine.docker("container", "rm", "--force", "--volumes", container)


def _wait_for(url: str) -> None:
    """Wait until an HTTP server answers at the URL, with any status."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                line = f"no registry answered at {url} within {START_TIMEOUT:.0f} s"
                raise RehearsalError(line, str(error)) from error
            time.sleep(0.1)
        else:
            return
