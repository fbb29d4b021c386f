"""A real image registry on a loopback port: Debian's docker-registry, on a store that is written here."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
INSTALL = "install it: apt-get install docker-registry (or: script/bootstrap --tests)"
#: The only user of a registry with basic authentication. The hash is bcrypt with cost 4.
USER, PASSWORD = "deploy", "canary-4711"
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuu8uNdElapPlueyZpFN0aEKfrTYBnbu5y\n"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Store:
    """A registry's storage, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = folder / "docker" / "registry" / "v2"

    def blob(self, repository: str, content: Mapping[str, Any], *, manifest: bool = False) -> tuple[str, int]:
        """Store an object in a repository, and return its digest and size."""
        data = json.dumps(content).encode()
        mark = hashlib.sha256(data).hexdigest()
        self._write(self._root / "blobs" / "sha256" / mark[:2] / mark / "data", data)
        kind = "_manifests/revisions" if manifest else "_layers"
        self._write(
            self._root / "repositories" / repository / kind / "sha256" / mark / "link", f"sha256:{mark}".encode()
        )
        return f"sha256:{mark}", len(data)

    def image(self, repository: str, platform: str, created: str, **labels: str) -> tuple[str, int]:
        """Store an image without layers, and return the digest and size of its manifest."""
        system, architecture = platform.split("/")
        configuration = {"os": system, "architecture": architecture, "created": created, "config": {"Labels": labels}}
        digest, size = self.blob(repository, configuration)
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": size}
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
        return self.blob(repository, content, manifest=True)

    def index(self, repository: str, images: Mapping[str, tuple[str, int]], **annotations: str) -> str:
        """Store an index of images by platform, and return its digest."""
        described = [
            {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": size,
                "platform": dict(zip(("os", "architecture"), platform.split("/"), strict=True)),
            }
            for platform, (digest, size) in images.items()
        ]
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": described, "annotations": annotations}
        return self.blob(repository, content, manifest=True)[0]

    def tag(self, repository: str, digest: str, *tags: str) -> None:
        """Make tags point to a digest."""
        place = self._root / "repositories" / repository / "_manifests" / "tags"
        first, *others = (place / tag / "current" / "link" for tag in tags)
        self._write(first, digest.encode())
        for link in others:  # links, because there are ten thousand of them
            link.parent.parent.mkdir()
            link.parent.mkdir()
            link.hardlink_to(first)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def registry(folder: Path, *authentication: str) -> Iterator[str]:
    """Run a registry on the store in `folder` and yield its URL. `authentication` adds lines to its settings."""
    own = ROOT / ".tools" / "registry" / "usr" / "bin" / "docker-registry"
    program = shutil.which("docker-registry") or (str(own) if own.exists() else None)
    assert program, f"docker-registry is missing here; {INSTALL}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "config.yml"
    lines = ["version: 0.1", "log: {level: error, accesslog: {disabled: true}}", f"http: {{addr: '127.0.0.1:{port}'}}"]
    lines += [f"storage: {{filesystem: {{rootdirectory: {folder}}}}}", *authentication]
    configuration.write_text("\n".join(lines))
    environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
    argv = [program, "serve", str(configuration)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        try:
            _wait_for(f"http://127.0.0.1:{port}/v2/", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait(10)


def basic(folder: Path) -> Sequence[str]:
    """Return the settings of basic authentication for USER and PASSWORD."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    return (f"auth: {{htpasswd: {{realm: shop, path: {folder / 'htpasswd'}}}}}",)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, trust_env=False, timeout=2)
            return
        time.sleep(0.05)
    raise AssertionError(f"no registry answered at {url}: {log.read_text()}")
