"""What images have reported, kept beside the records by what they were asked: an image never changes.

It is kept on the machine that runs the runbook, and nothing of it on the production host.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from runbook.journal.private_files import FOLDER_MODE, MODE, NEW_FILE, write
from runbook.migrations.image.probe import PROGRAM
from runbook.migrations.image.report import ImageReport, read_report, to_json
from runbook.settings.database import MigrationSettings

_FOLDER = ".images"
_MOST_BYTES = 32 << 20


class KeptReports:
    """The reports of images in `.images` of the folder of records; what cannot be kept or read is asked anew."""

    def __init__(self, reports: Path) -> None:
        self._folder = reports / _FOLDER

    def path(
        self,
        image_id: str,
        settings: MigrationSettings,
        environment: Mapping[str, str],
        span: tuple[str, str] | None,
    ) -> Path | None:
        """Return where the report lies for exactly this question to exactly this image; None where none is kept.

        Its name shows nothing of the environment, which holds secrets.
        """
        how = (settings.config, settings.section, settings.python, PROGRAM)
        asked = [image_id, how, sorted(environment.items()), span]
        key = self._key()
        if key is None:
            return None
        return self._folder / f"{hmac.new(key, json.dumps(asked).encode(), hashlib.sha256).hexdigest()}.json"

    def read(self, path: Path | None) -> ImageReport | None:
        """Return the report that lies there; None where there is none that can be read."""
        if path is None:
            return None
        try:
            if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                return None
            return read_report(path.read_bytes())
        except (OSError, ValueError):
            return None

    def keep(self, path: Path | None, report: ImageReport) -> None:
        """Keep a report; not one that says what could not be read, which may be read another time."""
        if path is None or report.problems:
            return
        with suppress(OSError):
            write(path, json.dumps(to_json(report)))

    def _key(self) -> bytes | None:
        place = self._folder / "key"
        try:
            self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            facts = self._folder.lstat()
            if self._folder.is_symlink() or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
                return None
            with suppress(FileExistsError), os.fdopen(os.open(place, NEW_FILE, MODE), "wb") as file:
                file.write(secrets.token_bytes(32))
            found = place.read_bytes()
        except OSError:
            return None
        return found if len(found) == 32 else None
