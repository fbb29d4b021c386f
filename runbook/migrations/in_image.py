"""What the migrations inside an image are: asked of the image itself, without a network and without a database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.errors import Inconclusive
from runbook.host import Command, Host
from runbook.incident.redaction import beginning
from runbook.settings import MigrationSettings

_SCRIPT = Path(__file__).with_name("probe_script.py")


@dataclass(frozen=True)
class ImageMigrations:
    """The revision graph of an image: its heads, and for each revision those it builds upon."""

    heads: tuple[str, ...]
    builds_upon: Mapping[str, tuple[str, ...]]

    def knows(self, revision: str) -> bool:
        """Tell whether the image has that revision; Alembic in it fails on a database at any other."""
        return revision in self.builds_upon


def probing(image: str, settings: MigrationSettings, deadline: float) -> Command:
    """The command that asks `image` (by digest) for its revisions; `deadline` is in seconds."""
    argv = (
        "docker", "run", "--rm", "--interactive", "--network", "none", "--pull", "never",
        "--entrypoint", settings.python, image, "-", settings.config,
    )  # fmt: skip
    return Command(argv, deadline, stdin=_SCRIPT.read_bytes())


def migrations_in(host: Host, image: str, settings: MigrationSettings, deadline: float) -> ImageMigrations:
    """Ask `image` for its revisions. Raises Inconclusive when it does not tell."""
    answer = host.run(probing(image, settings, deadline))
    if answer.exit_code != 0:
        raise Inconclusive(
            f"the migrations in {image} cannot be read: {answer.last_words}",
            "check migrations.config and migrations.python in the settings",
        )
    try:
        found: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
        builds_upon = {str(item["revision"]): tuple(map(str, item["down"])) for item in found["revisions"]}
        return ImageMigrations(tuple(map(str, found["heads"])), builds_upon)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise Inconclusive(
            f"the migrations in {image} cannot be read: it printed {beginning(answer.text, 80)!r}",
            "check that migrations.python is a plain Python that prints nothing of its own",
        ) from None
