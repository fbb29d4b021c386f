"""Builds an image from a folder and a tag, with the Docker Engine's default builder."""

from collections.abc import Sequence
from pathlib import Path

from rehearsal.docker_host.engine import Engine
from rehearsal.errors import RehearsalError

BUILD_TIMEOUT = 600.0  # seconds, one image over a slow connection
# Otherwise BuildKit adds an attestation, and the registry holds an index instead of a single image.
PLAIN_IMAGES = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def build(engine: Engine, folder: Path, tag: str, options: Sequence[tuple[str, str]]) -> None:
    """Build one image from a folder, with options of docker build, such as ("--target", "api").

    Raises RehearsalError.
    """
    words = [word for option in options for word in option]
    command = ("build", "--force-rm", "--tag", tag, *words, str(folder))
    try:
        engine.docker(*command, timeout=BUILD_TIMEOUT, more=PLAIN_IMAGES)
    except RehearsalError as error:
        # The classic builder's cache: another rehearsal was taken down meanwhile, and its layers with it.
        if "unknown parent image" not in error.tail:
            raise
        engine.docker(*command, timeout=BUILD_TIMEOUT, more=PLAIN_IMAGES)
