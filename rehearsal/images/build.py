"""How an image is built: a folder, a tag, and the Docker Engine's own builder, whichever that is."""

from collections.abc import Sequence
from pathlib import Path

from rehearsal.docker_host.engine import Engine
from rehearsal.errors import RehearsalError

BUILD_TIMEOUT = 600.0  # seconds, one image on a slow line
# Without it BuildKit adds a statement of origin, and the registry then holds an index instead of one image.
PLAIN_IMAGES = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def build(engine: Engine, folder: Path, tag: str, options: Sequence[tuple[str, str]]) -> None:
    """Build one image from a folder, with options of docker build as in ("--target", "api").

    Raises RehearsalError.
    """
    words = [word for option in options for word in option]
    command = ("build", "--force-rm", "--tag", tag, *words, str(folder))
    try:
        engine.docker(*command, timeout=BUILD_TIMEOUT, more=PLAIN_IMAGES)
    except RehearsalError as error:
        # The classic builder's cache: a rehearsal beside this one was taken down, and its layers with it.
        if "unknown parent image" not in error.tail:
            raise
        engine.docker(*command, timeout=BUILD_TIMEOUT, more=PLAIN_IMAGES)
