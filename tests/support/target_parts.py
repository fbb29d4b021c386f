"""Shared by the tests of release sources: the releases that are searched for, and the access to the sources."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runbook.hosts.http import HttpClient
from runbook.release import PROBE, ImageName, TagForm
from runbook.targets.sources.source import Through, Wanted
from tests.support.parts import Heard, host

DIGEST = "sha256:" + "0123456789abcdef" * 4


def wanted(
    registry: str = "registry.example",
    *,
    newest: int = 10,
    pattern: str = ".+",
    looked_at: frozenset[str] = frozenset(),
    **more: str,
) -> Wanted:
    """Return a search for releases of api and jobs whose images follow the tag. `more` adds services' repositories."""
    names = {"api": "shop/api", "jobs": "shop/jobs"} | more
    images = {service: ImageName(registry, repository, PROBE) for service, repository in names.items() if repository}
    forms = {service: TagForm(f"{image.name}:", "") for service, image in images.items()}
    return Wanted(images, forms, re.compile(pattern), newest, looked_at)


@contextmanager
def through(deadline: float = 10.0, environment: Any = None, heard: Heard | None = None) -> Iterator[Through]:
    """Yield a client and a host, usable for `deadline` seconds."""
    client = HttpClient(5.0, heard or Heard())
    try:
        yield Through(client, host(heard, environment), deadline)
    finally:
        client.close()
