"""`python -m runbook verify JOURNAL`: check that a journal, its page and its outputs are unchanged."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook.actions import ActionName
from runbook.cli.records import add_record, journal_of
from runbook.errors import JournalError
from runbook.journal.hash_chain import Entry
from runbook.journal.output_files import check_outputs
from runbook.journal.verify import Verified, verify, verify_now
from runbook.report.page.page_check import check_page
from runbook.text import counted, visible

#: An incident's name. A folder with another name may have a copy of any record.
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-.+", re.DOTALL)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify`."""
    add_record(parser)
    parser.add_argument("--head", type=_hash, metavar="HASH", help="the journal's head, from the announcement")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Check everything, print the results, and return 0 if everything is unchanged, else 1. Raises like `checked`."""
    good, said = checked(chosen)
    print(visible("\n".join(said)))  # noqa: T201 - this is the command line
    return 0 if good else 1


def _hash(text: str) -> str:
    found = text.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256, which has 64 hexadecimal digits")
    return found


def checked(chosen: argparse.Namespace) -> tuple[bool, list[str]]:
    """Check everything. Return whether everything is unchanged, and the lines to print.

    Raises JournalError when the journal or its page cannot be read.
    """
    journal = journal_of(chosen)
    verified, under_way = verify_now(journal)
    found = list(_checks(journal, verified, chosen.head, under_way=under_way))
    return all(good for good, _ in found), [said for _, said in found]


def _checks(journal: Path, verified: Verified, head: str | None, *, under_way: bool) -> Iterator[tuple[bool, str]]:
    entries = len(verified.entries)
    if verified.whole:
        yield True, f"whole: {entries} entries, head {verified.head}"
    elif under_way:
        yield False, f"NOT ended: a run is writing it at this moment; its first {entries} entries are intact"
    else:
        yield False, f"NOT whole: {verified.problem}"
    for contradiction in _contradictions(journal, verified.entries):
        yield False, contradiction
    if head is not None:
        yield _announced(verified, head)
    page = check_page(journal, verified)
    yield page.good, f"{'page' if page.good else 'page NOT as made'}: {page.words}"
    files, problems = check_outputs(verified.entries, journal.parent)
    if problems:
        yield False, f"outputs NOT whole: {'; '.join(problems)}"
    elif files:
        yield True, f"outputs: {counted(files, 'file')}, as written"


def _announced(verified: Verified, head: str) -> tuple[bool, str]:
    entry = verified.entry_of(head)
    if entry is not None:
        return True, f"head: the announced one is entry {entry}; everything up to it is unchanged since then"
    if verified.whole:
        return False, "head NOT found: the journal was rewritten since it was announced, or it is another incident's"
    return False, "head NOT found among the valid lines: the announcement cannot be confirmed"


def _contradictions(journal: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the contradictions of the verified entries with themselves, their folder or their plan."""
    # Links are not followed: a link's name must not pass for another incident's.
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
    """Check that each announcement names the hash of an entry above it."""
    above: set[Any] = set()
    for entry in entries:
        for head in _heads_announced_in(entry):
            if head not in above:
                missing = f"it names head {head}, which is not an entry above it"
                yield f"announcement NOT of this journal: {missing}: the journal was rewritten since it was announced"
        above.add(entry["sha256"])


def _heads_announced_in(entry: Entry) -> Iterator[str]:
    message = entry.get("message")
    if entry["kind"] != "action" or entry.get("state") == "planned" or not isinstance(message, Mapping):
        return
    if entry.get("action") == ActionName.ANNOUNCE and message.get("head"):
        yield str(message["head"])


def _planned_otherwise(reports: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """Check that the plan's journal, if it is beside this one, has the head that this one names."""
    for plan in (entry for entry in entries if entry["kind"] == "plan"):
        name, head = plan.get("incident"), plan.get("head")
        if not (isinstance(name, str) and isinstance(head, str) and _NAME.fullmatch(name) and "/" not in name):
            continue
        journal = reports / name / "journal.jsonl"
        try:
            found = verify(journal)
        except (ValueError, JournalError):
            continue  # it was not copied here, or another version wrote it
        if found.entry_of(head) is None:
            why = "that journal, or this one, was rewritten" if found.whole else "that journal was changed"
            yield f"plan NOT as it was executed: head {head} is not an entry of {name} beside it: {why} since"
