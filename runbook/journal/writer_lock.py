"""Whether a run is writing a journal at this moment."""

import fcntl
from pathlib import Path
from typing import BinaryIO

from runbook.errors import JournalError
from runbook.journal.damage import BROKEN_OFF
from runbook.journal.verify import Verified, verify


def is_written(file: BinaryIO) -> bool:
    """Tell whether a run holds the lock of the journal that `file` has open (journal.py); it is let go of at once.

    Ask it only of a journal that is not whole: a run that begins at that very moment would find the lock taken.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def verify_now(journal: Path) -> tuple[Verified, bool]:
    """What `verify` finds, and whether that is so only because a run is writing the journal at this moment.

    Raises JournalError when the journal cannot be read.
    """
    verified = verify(journal)
    if verified.damage not in BROKEN_OFF:
        return verified, False
    try:
        with journal.open("rb") as file:
            under_way = is_written(file)
    except OSError as error:
        raise JournalError(f"the journal {journal} cannot be read ({error.strerror})", "check the path") from error
    # If nobody writes it, it may have been closed since it was read.
    return (verified, True) if under_way else (verify(journal), False)
