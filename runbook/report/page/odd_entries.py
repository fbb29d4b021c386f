"""Journals whose chain is whole and whose entries are not as the runbook writes them: whoever can write a file can."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook.errors import JournalError, RunbookError


@contextmanager
def odd_entries_told(journal: Path) -> Iterator[None]:
    """Meanwhile turn whatever comes of members that are missing, or of another type, into a JournalError."""
    try:
        yield
    except (OSError, RunbookError):
        raise
    except Exception as error:
        raise JournalError(
            f"the entries of {journal} are not as this version of the runbook writes them"
            f" ({type(error).__name__}: {error})",
            f"python -m runbook verify {journal} tells whether they are as they were written; read the file itself",
        ) from error
