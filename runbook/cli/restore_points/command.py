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
    """Add the actions of `restore-point` and their options."""
    actions = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = actions.add_parser(
        "list", help="list the dumps on the host: time, size, contents, and whether each is intact"
    )
    add_settings(listing)
    listing.set_defaults(run=lambda chosen: _looked(chosen, listed))
    checking = actions.add_parser("check", help="restore a dump into a scratch database, and count its rows")
    _add_dump(checking)
    add_settings(checking)
    checking.set_defaults(run=lambda chosen: _looked(chosen, lambda context: checked(context, chosen.dump)))
    restoring = actions.add_parser(
        "restore",
        help="plan to replace the live database with a dump; with --execute PROJECT, do it",
        epilog="All other arguments go to pytest.",
        allow_abbrev=False,
    )
    _add_dump(restoring)
    restoring.add_argument("--execute", metavar="PROJECT", help="execute the plan; PROJECT is the confirmation")
    restoring.add_argument("--settings", type=Path, metavar="PATH", help="the settings file")
    restoring.set_defaults(begin=restore)


def restore(chosen: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print the pytest command line that restores a dump, and replace this process with it."""
    execute = ["--execute", chosen.execute] if chosen.execute else []
    shortcuts.become(shortcuts.line("restore", ["--dump", chosen.dump, *rest, *execute], settings=chosen.settings))
    return 1


def _add_dump(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dump", metavar="FILE", help="the dump's name in .runbook/ on the host, or its full path")


def _looked(chosen: argparse.Namespace, look: Callable[[Context], tuple[bool, list[str]]]) -> int:
    """Print the result of a look at production. Return 0 if all is well, else 1."""
    settings = load(chosen.settings)
    redactor, _ = informed_redactor(settings)
    with looking(settings, redactor) as context:
        good, lines = look(context)
    sys.stdout.write(visible(redactor.text("\n".join(lines))) + "\n")
    return 0 if good else 1
