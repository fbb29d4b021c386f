"""A token service for a registry. It signs tokens with its own certificate, which docker-registry is told to trust."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.parts import Asked, Reply, Server, serving

SERVICE, ISSUER = "registry.example", "tokens.example"


@contextmanager
def token_server(folder: Path, allows: Callable[[Asked], bool]) -> Iterator[tuple[Server, Sequence[str]]]:
    """Run a server that gives tokens if `allows` returns True. Yields it and the settings for a registry."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens.example",
        "-keyout", str(key), "-out", str(certificate),
    )  # fmt: skip
    chain = certificate.read_text().split("-----")[2].replace("\n", "")

    def answer(asked: Asked) -> Reply:
        if not allows(asked):
            return Reply(401)
        query = parse_qs(asked.body.decode() or urlsplit(asked.path).query)
        kind, name, actions = query["scope"][0].split(":")
        now = int(time.time())
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        claims = {"iss": ISSUER, "sub": "deploy", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now - 10}
        signed = (
            _part({"typ": "JWT", "alg": "RS256", "x5c": [chain]})
            + b"."
            + _part({**claims, "jti": "1", "access": access})
        )
        signature = _openssl("dgst", "-sha256", "-sign", str(key), stdin=signed)
        return Reply(200, {"token": (signed + b"." + _encoded(signature)).decode()})

    with serving(answer) as server:
        members = f"realm: '{server.url}/token', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {certificate}"
        yield server, (f"auth: {{token: {{{members}}}}}",)


def _part(content: Any) -> bytes:
    return _encoded(json.dumps(content).encode())


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True, timeout=60).stdout
