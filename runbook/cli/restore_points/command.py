"""`python -m runbook restore-point list | check FILE | restore FILE`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook.chapters.context import Context
from runbook.cli import shortcuts
from runbook.cli.one_look import add_settings, informed_redactor, looking
from runbook.cli.restore_points.checking import checked
from runbook.cli.restore_points.listing import listed
from runbook.settings.loading.loader import load
from runbook.text import visible


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `restore-point` is told on the command line."""
    actions = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = actions.add_parser(
        "list", help="the dumps on the host: when, of what, how large, and whether each is whole"
    )
    add_settings(listing)
    listing.set_defaults(run=lambda chosen: _looked(chosen, listed))
    checking = actions.add_parser("check", help="restore a dump into a scratch database, and count its rows")
    _add_dump(checking)
    add_settings(checking)
    checking.set_defaults(run=lambda chosen: _looked(chosen, lambda context: checked(context, chosen.dump)))
    restoring = actions.add_parser(
        "restore",
        help="a plan that puts a dump in the live database's place; with --execute PROJECT it is carried out",
        epilog="Whatever else is typed goes to pytest.",
        allow_abbrev=False,
    )
    _add_dump(restoring)
    restoring.add_argument("--execute", metavar="PROJECT", help="carry it out; PROJECT is the confirmation")
    restoring.add_argument("--settings", type=Path, metavar="PATH", help="the settings file")
    restoring.set_defaults(begin=restore)


def restore(chosen: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print the line of pytest that restores a dump, and become it."""
    execute = ["--execute", chosen.execute] if chosen.execute else []
    shortcuts.become(shortcuts.line("restore", ["--dump", chosen.dump, *rest, *execute], settings=chosen.settings))
    return 1


def _add_dump(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dump", metavar="FILE", help="the dump's name in .runbook/ on the host, or its whole path")


def _looked(chosen: argparse.Namespace, look: Callable[[Context], tuple[bool, list[str]]]) -> int:
    """Print what a look at production came to. Returns 0 if all is well, else 1."""
    settings = load(chosen.settings)
    redactor, _ = informed_redactor(settings)
    with looking(settings, redactor) as context:
        good, lines = look(context)
    sys.stdout.write(visible(redactor.text("\n".join(lines))) + "\n")
    return 0 if good else 1
