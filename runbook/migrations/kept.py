"""A cache of answers, stored next to the records: answers of images, and results of trials on a copy.

The cache is on the machine that runs the runbook, not on the production host.
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
    """The cache in `.answers` of the records' folder. An answer that cannot be stored or read is asked for again."""

    def __init__(self, reports: Path, redactor: Redactor) -> None:
        """`redactor` knows the secrets. An answer that contains one is not stored."""
        self._folder = reports / _FOLDER
        self._redactor = redactor

    def path(self, question: Any) -> Path | None:
        """Return the path of the answer to exactly this `question`, or None if answers cannot be stored.

        `question` is JSON-like and must contain everything that determines the answer. The file's name is an HMAC of
        it, because a question may contain secrets.
        """
        key = self._key()
        if key is None:
            return None
        return self._folder / f"{hmac.new(key, json.dumps(question).encode(), hashlib.sha256).hexdigest()}.json"

    def read(self, path: Path | None, parse: Callable[[bytes], _Answer]) -> _Answer | None:
        """Return the answer stored at `path`, read by `parse`, or None if there is no valid one.

        `parse` raises ValueError for content that it cannot read.
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
        """Store a JSON-like `answer`, unless it contains a secret."""
        if path is None or self._redactor.value(answer) != answer:
            return
        content = json.dumps(answer)
        with suppress(OSError):
            write(path, f"{self._seal(path, content.encode()).decode()}\n{content}")

    def _seal(self, path: Path, content: bytes) -> bytes:
        """Return the first line of an answer's file. It proves that this cache wrote the whole file, at this path."""
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
