"""Whether the hashes that a journal names, its own and its plan's, are those of entries that are there."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook.actions import ActionName
from runbook.errors import JournalError
from runbook.journal.journal import Entry
from runbook.journal.verify import verify

#: As the name of an incident begins: a folder with another name is somewhere where a copy was put to be looked at.
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-.+", re.DOTALL)


def contradictions(journal: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield in words where `entries`, those of `journal` that can be believed, contradict themselves or their place."""
    # Not what a link leads to: a link must not lend its name to another incident.
    folder = Path(os.path.abspath(journal)).parent  # noqa: PTH100 - Path.resolve follows links
    yield from _of_another_folder(folder.name, entries)
    yield from _announced_otherwise(entries)
    yield from _planned_otherwise(folder.parent, entries)


def _of_another_folder(folder: str, entries: Sequence[Entry]) -> Iterator[str]:
    named = entries[0].get("incident") if entries else folder
    if named != folder and _NAME.fullmatch(folder):
        one_line = " ".join(str(named).split())
        yield f"NOT this folder's: the journal is that of {one_line}"


def _announced_otherwise(entries: Sequence[Entry]) -> Iterator[str]:
    """What is announced names the hash of an entry that is written by then."""
    above: set[Any] = set()
    for entry in entries:
        for head in _heads_announced_in(entry):
            if head not in above:
                missing = f"it names head {head}, which is no entry above it"
                yield f"announcement NOT of this journal: {missing}: the journal was rewritten since it was announced"
        above.add(entry["sha256"])


def _heads_announced_in(entry: Entry) -> Iterator[str]:
    message = entry.get("message")
    if entry["kind"] != "action" or entry.get("state") == "planned" or not isinstance(message, Mapping):
        return
    if entry.get("action") == ActionName.ANNOUNCE and message.get("head"):
        yield str(message["head"])


def _planned_otherwise(reports: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """A plan's head is held against the plan's journal, if that still lies beside this one."""
    for plan in (entry for entry in entries if entry["kind"] == "plan"):
        name, head = plan.get("incident"), plan.get("head")
        if not (isinstance(name, str) and isinstance(head, str) and _NAME.fullmatch(name) and "/" not in name):
            continue
        journal = reports / name / "journal.jsonl"
        try:
            # A pipe would be waited for, for ever.
            found = verify(journal) if journal.is_file() else None
        except (OSError, ValueError, JournalError):
            continue
        if found is not None and found.entry_of(head) is None:
            why = "that journal, or this one, was rewritten" if found.whole else "that journal was changed"
            yield f"plan NOT as it was carried out: head {head} is no entry of {name}, which lies beside: {why} since"
