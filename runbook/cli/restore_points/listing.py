"""The list of dumps on the production host, newest first: time, size, contents, and whether each is intact."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from runbook.chapters.context import Context
from runbook.chapters.migrating.room import in_words
from runbook.chapters.restore.dump import dump_of
from runbook.errors import RunbookError
from runbook.production.docker_engine import FOLDER
from runbook.text import counted

_NUMBER = re.compile(r"\.[0-9]+$")


def listed(context: Context) -> tuple[bool, list[str]]:
    """Tell whether every dump is intact and readable, with the lines to print for each.

    Raises HostError when the host does not answer.
    """
    folder = f"{context.production.directory}/{FOLDER}"
    find = ("find", folder, "-maxdepth", "1", "-type", "f", "-name", "*.dump", "-printf", r"%T@ %s %f\n")
    found = context.host.run(context.production.command(*find))
    rows = [line.split(" ", 2) for line in found.text.splitlines()] if found.exit_code == 0 else []
    if not rows:
        return True, [f"no restore point in {folder}"]
    good, lines = True, []
    for time, size, name in sorted(rows, key=lambda row: float(row[0]), reverse=True):
        whole, told = _of(context, name)
        good = good and whole
        at = datetime.fromtimestamp(float(time), UTC)
        lines += [f"{name}", f"  taken     {at:%Y-%m-%d %H:%M:%SZ}, {in_words(int(size))}", *told]
    return good, lines


def _of(context: Context, name: str) -> tuple[bool, list[str]]:
    dump = dump_of(context, name)
    incident = _NUMBER.sub("", PurePosixPath(name).stem)
    lines = [f"  incident  {incident}"]
    try:
        broken = dump.broken()
        if broken:
            return False, [*lines, f"  DAMAGED   {broken}"]
        lines.append(f"  sha256    {dump.sha256()}")
        return True, [*lines, *_contents(context, name)]
    except RunbookError as error:
        return False, [*lines, f"  NOT READ  {error.seen}"]


def _contents(context: Context, name: str) -> Iterator[str]:
    found = dump_of(context, name).contents()
    yield f"  schema    {', '.join(found.revisions) or 'no revision'}; {counted(len(found.tables), 'table')} with data"
    yield f"  of        {found.database}, PostgreSQL {found.version}; it reads back"
