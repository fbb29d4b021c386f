"""Answers that need not be asked for twice, kept beside the records: of images, and of what was tried on a copy.

They are kept on the machine that runs the runbook, and nothing of them on the production host.
"""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from runbook.journal.private_files import FOLDER_MODE, MODE, NEW_FILE, write
from runbook.secrets.redactor import Redactor

_Answer = TypeVar("_Answer")

_FOLDER = ".answers"
_MOST_BYTES = 32 << 20


class KeptAnswers:
    """What lies in `.answers` of the folder of records; what cannot be kept or read is asked anew."""

    def __init__(self, reports: Path, redactor: Redactor) -> None:
        """`redactor` knows the secrets: an answer that shows one is not kept."""
        self._folder = reports / _FOLDER
        self._redactor = redactor

    def path(self, question: Any) -> Path | None:
        """Return where the answer to exactly this `question` lies; None where none is kept.

        The question, JSON-like, is all that decides the answer. Its name shows nothing of it: it may hold secrets.
        """
        key = self._key()
        if key is None:
            return None
        return self._folder / f"{hmac.new(key, json.dumps(question).encode(), hashlib.sha256).hexdigest()}.json"

    def read(self, path: Path | None, parse: Callable[[bytes], _Answer]) -> _Answer | None:
        """Return the answer that lies there, as `parse` reads it; None where there is none that was kept there.

        `parse` raises ValueError for what it cannot read.
        """
        if path is None:
            return None
        try:
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_size > _MOST_BYTES:
                return None
            seal, _, content = path.read_bytes().partition(b"\n")
            return parse(content) if hmac.compare_digest(seal, self._seal(path, content)) else None
        except (OSError, ValueError):
            return None

    def keep(self, path: Path | None, answer: Any) -> None:
        """Keep a JSON-like answer; not one that shows a secret."""
        if path is None or self._redactor.value(answer) != answer:
            return
        content = json.dumps(answer)
        with suppress(OSError):
            write(path, f"{self._seal(path, content.encode()).decode()}\n{content}")

    def _seal(self, path: Path, content: bytes) -> bytes:
        """What stands above an answer: it was kept by us, in this place, and is whole."""
        sealed = path.name.encode() + b"\n" + content
        return hmac.new(self._key() or secrets.token_bytes(32), sealed, hashlib.sha256).hexdigest().encode()

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
