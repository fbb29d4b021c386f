"""One record of each kind, kept for the browser tests, which run last.

If the environment variable KEEP_RECORDS names a folder, the records are kept there, for people and for later sessions.
Otherwise they are deleted at the end of the session.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from rehearsal.incidents.catalogue import INCIDENTS

#: The name of each record, and the headline that its page must have.
HEADLINES = {
    "regression": "Over: production runs 2025-12-15-rc1 again",
    "additive-migration": "Over: production runs 2025-12-15-rc1 again",
    "breaking-migration": "Over: production runs 2025-12-15-rc1 again",
    "irreversible-migration": "Production is held as it is: expected a working downgrade",
    "export-leak": "Switched: EXPORT_MODE=off",
    "forward-fix": "Over: production was rolled forward to 2025-12-20-rc2",
    "half-way-downgrade": "Stopped at: When the schema is downgraded with the image of the failed release",
    "undone-downgrade": "Stopped at: When the schema is downgraded with the image of the failed release",
    "asking-migration": "Over: production runs 2025-12-15-rc1 again",
    "offline-refused": "Over: production runs 2025-12-17-rc1 again",
    "partitioned": "Over: production runs 2025-12-17-rc2 again",
    "migrate-on-boot": "Production is held as it is: expected a target that does not migrate",
    "killed": "Interrupted at: When jobs are stopped, and brought up on the target",
    "resumed": "Over: production runs 2025-12-15-rc1 again",
    "full-disk": "Stopped at: When the disk fills up",
}
#: Records of tests that do not run by default (tests/engine/sample.py).
LEFT_OUT = frozenset(
    {"asking-migration", "half-way-downgrade", "migrate-on-boot", "offline-refused", "partitioned", "resumed"}
    | {"undone-downgrade"}
)
assert INCIDENTS.keys() <= HEADLINES.keys(), "an incident whose record nobody looks at"


def keep(name: str, folder: Path | None) -> None:
    """Copy the folder of a finished record in its current state. Replaces a copy from before."""
    assert name in HEADLINES, f"{name} is no record that anybody looks at → add it to tests/support/keeping.py"
    assert folder is not None, f"the run of {name} left no record"
    shutil.rmtree(_place() / name, ignore_errors=True)
    shutil.copytree(folder, _place() / name / folder.name)


def kept(name: str) -> Path | None:
    """Return the folder of the record with that name, or None if no test has kept one."""
    return next((_place() / name).glob("*/"), None)


@cache
def _place() -> Path:
    if chosen := os.environ.get("KEEP_RECORDS"):
        return Path(chosen).resolve()
    made = Path(tempfile.mkdtemp(prefix="records-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
