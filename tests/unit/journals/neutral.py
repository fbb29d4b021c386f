"""Makes a small neutral journal of a real one: python neutral.py JOURNAL SMALL-JOURNAL.

Folders, hosts, people and addresses become those of nobody, and long texts and lists are shortened. Of the commands,
answers and looks under one sentence the first of each is kept. The lines are sealed anew. No member is added or taken
away.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from runbook.journal.hash_chain import Entry, seal

LONGEST = 80
_MANY = ("command", "command began", "exchange", "look", "availability")


def neutral(journal: Path) -> bytes:
    """The small journal's bytes; one that was not closed, or ends with half a line, stays so."""
    lines = journal.read_text(encoding="ascii").splitlines(keepends=True)
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    words = _words(whole[0])
    made, previous = b"", "0" * 64
    for number, entry in enumerate(_fewer(whole)):
        entry.pop("sha256")
        told = _replaced(entry, words) | {"seq": number, "previous": previous}
        line, previous = seal(told)
        made += line
    return made if lines[-1].endswith("\n") else made + lines[-1][:20].encode("ascii")


def _words(opened: Entry) -> list[tuple[str, str]]:
    project, directory, host = opened["project"], opened["directory"], opened["operator_host"]
    home = directory.partition("/.rehearsals/")[0]
    return [
        (re.escape(directory), "/srv/shop"),
        (re.escape(home), "/home/ada/runbook"),
        (re.escape(project), "shop"),
        (rf"\b{re.escape(host)}\b", "laptop"),
        (r"\b(127|172|10)(\.\d+){3}\b(:\d+)?", "192.0.2.1:8080"),
        (r"\broot\b", "ada"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b( \S+)?", "boot"),
    ]


def _fewer(entries: list[Entry]) -> list[Entry]:
    kept, seen = [], Counter[str]()
    for entry in entries:
        kind = entry["kind"]
        if kind == "sentence began":
            seen.clear()
        seen[kind] += 1
        if kind not in _MANY or seen[kind] == 1:
            kept.append(entry)
    return kept


def _replaced(value: Any, words: list[tuple[str, str]]) -> Any:
    if isinstance(value, dict):
        return {_replaced(key, words): _replaced(item, words) for key, item in value.items()}
    if isinstance(value, list):
        # Of containers, tables and revisions two are enough.
        return [_replaced(item, words) for item in (value[:2] if any(isinstance(i, dict) for i in value) else value)]
    if not isinstance(value, str):
        return value
    for pattern, word in words:
        value = re.sub(pattern, word, value)
    # Names of sentences and scenarios are what entries are found by.
    return value if len(value) <= LONGEST or "::" in value else f"{value[:LONGEST]} …"


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(neutral(Path(sys.argv[1])))
