"""The commands beside pytest: list and check records, make their pages, judge migrations, free a lock."""

import argparse
import os
import shlex
import sys

from runbook.cli import assess, records, unlock, verify
from runbook.errors import JournalError, ModelsError, RunbookError
from runbook.journal.verify import verify_now
from runbook.report.page.render import render, render_markdown
from runbook.text import visible


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 when all is well, 1 when it is not, 2 for misuse.

    `assess` returns 3 for breaking and 4 for review.
    """
    parser = argparse.ArgumentParser(prog="python -m runbook", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("verify", help="tell whether a journal, its page and its outputs are as written")
    verify.add_options(checking)
    checking.set_defaults(run=_verify)
    rendering = commands.add_parser("render", help="make the page of a journal, also of one that broke off")
    records.add_record(rendering)
    rendering.add_argument("--format", choices=("html", "markdown"), default="html", help="record.html, or record.md")
    rendering.set_defaults(run=_render)
    listing = commands.add_parser("records", help="list every incident on record, and make the page of them all")
    records.add_options(listing)
    assessing = commands.add_parser("assess", help="judge whether old code can live with new migrations")
    assess.add_options(assessing)
    assessing.set_defaults(run=assess.assess)
    unlocking = commands.add_parser("unlock", help="say who holds the lock of a production, or force it away")
    unlock.add_options(unlocking)
    unlocking.set_defaults(run=_unlock)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except RunbookError as error:
        print(visible(f"runbook: {error}"), file=sys.stderr)  # noqa: T201 - this is the command line
        return 2 if isinstance(error, ModelsError) else 1
    except BrokenPipeError:
        # The reader closed the pipe (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _verify(chosen: argparse.Namespace) -> int:
    good, said = verify.checked(chosen)
    print(visible("\n".join(said)))  # noqa: T201 - this is the command line
    return 0 if good else 1


def _render(chosen: argparse.Namespace) -> int:
    journal = records.journal_of(chosen)
    if verify_now(journal)[1]:
        raise JournalError(
            f"a run is writing {journal} at this moment, and makes its page when it ends",
            f"read it meanwhile with {shlex.join(['python', '-m', 'runbook', 'records', 'show', str(journal)])}",
        )
    print(render_markdown(journal) if chosen.format == "markdown" else render(journal))  # noqa: T201 - this is the command line
    return 0


def _unlock(chosen: argparse.Namespace) -> int:
    print(visible(unlock.unlock(chosen)))  # noqa: T201 - this is the command line
    return 0
