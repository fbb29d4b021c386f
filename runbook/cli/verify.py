"""`python -m runbook verify JOURNAL`: whether a journal, its page and its outputs are as they were written."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from runbook.cli import record_lookup
from runbook.journal.output_files import check_outputs
from runbook.journal.verify import Verified, verify_now
from runbook.report.page.named_heads import contradictions
from runbook.report.page.page_check import check_page


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `verify` takes."""
    record_lookup.add_options(parser)
    parser.add_argument("--head", type=_hash, metavar="HASH", help="the journal's head, as the announcement names it")


def _hash(text: str) -> str:
    found = text.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256: it has 64 hexadecimal digits")
    return found


def checked(chosen: argparse.Namespace) -> tuple[bool, list[str]]:
    """Check all; return whether all is as it was written, and what to say, line by line.

    Raises JournalError when the journal or its page cannot be read.
    """
    journal = record_lookup.journal_of(chosen)
    verified, under_way = verify_now(journal)
    found = list(_checks(journal, verified, chosen.head, under_way=under_way))
    return all(good for good, _ in found), [said for _, said in found]


def _checks(journal: Path, verified: Verified, head: str | None, *, under_way: bool) -> Iterator[tuple[bool, str]]:
    entries = len(verified.entries)
    if verified.whole:
        yield True, f"whole: {entries} entries, head {verified.head}"
    elif under_way:
        yield False, f"NOT ended: a run is writing it at this moment; its first {entries} entries are as written"
    else:
        yield False, f"NOT whole: {verified.problem}"
    for contradiction in contradictions(journal, verified.entries):
        yield False, contradiction
    if head is not None:
        yield _announced(verified, head)
    page = check_page(journal, verified)
    yield page.good, f"{'page' if page.good else 'page NOT as made'}: {page.words}"
    files, problems = check_outputs(verified.entries, journal.parent)
    if problems:
        yield False, f"outputs NOT whole: {'; '.join(problems)}"
    elif files:
        yield True, f"outputs: {files} file{'' if files == 1 else 's'}, as written"


def _announced(verified: Verified, head: str) -> tuple[bool, str]:
    entry = verified.entry_of(head)
    if entry is not None:
        return True, f"head: the announced one is entry {entry}; everything up to it is as it was announced"
    if verified.whole:
        return False, "head NOT found: the journal was rewritten since it was announced, or it is another incident's"
    return False, "head NOT found among the lines that can be believed: what was announced cannot be confirmed"
