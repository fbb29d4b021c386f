"""`python -m runbook verify JOURNAL` checks a journal; `render JOURNAL` makes its page; `assess` judges migrations."""

import argparse
import sys
from pathlib import Path

from runbook import assess_command
from runbook.errors import ModelsError, RunbookError
from runbook.incident.journal import verify
from runbook.incident.record import render


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 when all is well, 1 when the journal is not whole, 2 for misuse.

    `assess` returns 3 for breaking and 4 for review.
    """
    parser = argparse.ArgumentParser(prog="python -m runbook", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("verify", help="tell whether a journal is as it was written, to its closing entry")
    checking.add_argument("journal", type=Path)
    rendering = commands.add_parser("render", help="make the page of a journal, also of one that broke off")
    rendering.add_argument("journal", type=Path)
    assess_command.add_options(
        commands.add_parser("assess", help="judge whether old code can live with new migrations")
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "assess":
            return assess_command.assess(chosen)
        if chosen.command == "render":
            print(render(chosen.journal))  # noqa: T201 - this is the command line
            return 0
        found = verify(chosen.journal)
    except ModelsError as error:
        print(f"runbook: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 2
    except RunbookError as error:
        print(f"runbook: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 1
    if found.whole:
        print(f"whole: {len(found.entries)} entries, head {found.head}")  # noqa: T201 - this is the command line
        return 0
    print(f"NOT whole: {found.problem}")  # noqa: T201 - this is the command line
    return 1


if __name__ == "__main__":
    sys.exit(main())
