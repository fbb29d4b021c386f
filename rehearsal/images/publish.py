"""Builds a release and pushes it, as CI does. The local copy is removed, so that production must pull."""

import tempfile
from pathlib import Path

from rehearsal.docker_host.engine import Engine
from rehearsal.docker_host.labels import REHEARSAL
from rehearsal.images.build import build
from rehearsal.releases import assemble

IMAGES = ("api", "jobs")
PUSH_TIMEOUT = 300.0  # seconds


def references(registry: str, tag: str) -> dict[str, str]:
    """Return the names of a release's images, such as 127.0.0.1:5001/shop/api:2025-12-15-rc1."""
    return {image: f"{registry}/shop/{image}:{tag}" for image in IMAGES}


def build_release(engine: Engine, *, registry: str, tag: str, runtime: str, rehearsal: str) -> None:
    """Build the images of a release, labeled with the rehearsal's name. Raises RehearsalError."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        source = Path(temporary)
        assemble(tag, source)
        for image, reference in references(registry, tag).items():
            labels = {
                REHEARSAL: rehearsal,
                "org.opencontainers.image.title": f"shop-{image}",
                "org.opencontainers.image.version": tag,
            }
            options = [("--build-arg", f"RUNTIME={runtime}"), ("--build-arg", f"RELEASE={tag}")]
            options += [("--label", f"{name}={value}") for name, value in labels.items()]
            build(engine, source, reference, [*options, ("--target", image)])


def push_release(engine: Engine, *, registry: str, tag: str) -> None:
    """Push the images of a release, one after the other because they share layers, and remove them here."""
    names = list(references(registry, tag).values())
    for name in names:
        engine.docker("push", "--quiet", name, timeout=PUSH_TIMEOUT)
    engine.docker("image", "rm", *names)
