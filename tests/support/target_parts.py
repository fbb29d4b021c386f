"""What tests of the sources of releases share: what is looked for, and through what."""

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
    """Releases of api and jobs, of which each image follows the tag; `more` names the repositories of others."""
    names = {"api": "shop/api", "jobs": "shop/jobs"} | more
    images = {service: ImageName(registry, repository, PROBE) for service, repository in names.items() if repository}
    forms = {service: TagForm(f"{image.name}:", "") for service, image in images.items()}
    return Wanted(images, forms, re.compile(pattern), newest, looked_at)


@contextmanager
def through(deadline: float = 10.0, environment: Any = None, heard: Heard | None = None) -> Iterator[Through]:
    """A client and a host, for `deadline` seconds."""
    client = HttpClient(5.0, heard or Heard())
    try:
        yield Through(client, host(heard, environment), deadline)
    finally:
        client.close()
