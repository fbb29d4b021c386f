"""Outputs that are too long for the journal: complete, in files beside it. The journal has their hashes."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from runbook.journal.private_files import FOLDER_MODE, MODE, NEW_FILE

FOLDER = "output"
_NAME = re.compile(rf"{FOLDER}/[0-9]{{4,9}}-(stdout|stderr|body)\.txt")
_CHUNK = 1 << 20  # characters, or bytes
_NOTHING: Mapping[str, Any] = {}


class Outputs:
    """The files of one incident, in the folder `output` beside its journal."""

    def __init__(self, beside: Path) -> None:
        self._folder = beside.with_name(FOLDER)
        self._numbers = count(1)
        #: The files by their hash, because repeated looks often return the same output.
        self._known: dict[str, dict[str, Any]] = {}

    def keep(self, text: str, what: str) -> dict[str, Any]:
        """Write `text`, already redacted, to a new file, and return the journal's members about it.

        They are `file`, `sha256` and `file_bytes`, or `file_error` if the file cannot be written. The run continues
        then, because the journal has the end of the text. `what` is `stdout`, `stderr` or `body`. The file is on disk
        when this returns. It never replaces another file.
        """
        digest = hashlib.sha256()
        for chunk in _encoded(text):
            digest.update(chunk)
        known = self._known.get(digest.hexdigest())
        if known is None:
            try:
                name, size = self._write(text, what)
            except OSError as error:
                return {"file_error": error.strerror or str(error)}
            known = {"file": f"{FOLDER}/{name}", "sha256": digest.hexdigest(), "file_bytes": size}
            self._known[digest.hexdigest()] = known
        return dict(known)

    def _write(self, text: str, what: str) -> tuple[str, int]:
        self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return self._write_in(folder, text, what)
        finally:
            os.close(folder)

    def _write_in(self, folder: int, text: str, what: str) -> tuple[str, int]:
        name, file = self._new_file(folder, what)
        try:
            with os.fdopen(file, "wb") as stream:
                size = sum(stream.write(chunk) for chunk in _encoded(text))
                stream.flush()
                os.fsync(stream.fileno())
            os.fsync(folder)
        except BaseException:
            # Half a file is of no use, and the journal needs the disk space.
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise
        return name, size

    def _new_file(self, folder: int, what: str) -> tuple[str, int]:
        for number in self._numbers:
            name = f"{number:04}-{what}.txt"
            # An earlier run of the incident may have left files with any number.
            taken = any((self._folder / f"{number:04}-{each}.txt").exists() for each in ("stdout", "stderr", "body"))
            with suppress(FileExistsError):
                if not taken:
                    return name, os.open(name, NEW_FILE, MODE, dir_fd=folder)
        raise AssertionError("count() ends")


def _encoded(text: str) -> Iterator[bytes]:
    for at in range(0, len(text), _CHUNK):
        yield text[at : at + _CHUNK].encode("utf-8", errors="replace")


def is_output(name: object) -> bool:
    """Return whether the page may link to the file `name`. A forged journal can name any file."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_outputs(entries: Sequence[Mapping[str, Any]], folder: Path) -> tuple[int, list[str]]:
    """Compare the files in `folder` with `entries`. Return how many files they name, and the problems."""
    named = dict.fromkeys((str(said["file"]), str(said["sha256"])) for said in _files_in(entries))
    problems = [problem for name, digest in named if (problem := _problem(folder, name, digest))]
    return len({name for name, _ in named}), problems


def _files_in(entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        for said in (entry.get("stdout", _NOTHING), entry.get("stderr", _NOTHING), entry.get("body_file", _NOTHING)):
            if isinstance(said, Mapping) and "file" in said and "sha256" in said:
                yield said


def _problem(folder: Path, name: str, expected: str) -> str | None:
    if not is_output(name):
        return f"{name!r} is not a file that the runbook would write"
    digest = hashlib.sha256()
    try:
        with (folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return None if digest.hexdigest() == expected else f"{name} was changed after it was written"
