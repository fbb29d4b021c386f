# PYTHON_ARGCOMPLETE_OK
"""The rollback runbook: look whether it could roll back, plan, carry out, validate; and what is done beside that."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import argcomplete
from argcomplete import shell_integration

from runbook.cli import (
    assess,
    check_settings,
    doctor,
    models,
    records,
    shortcuts,
    status,
    unlock,
    verify,
)
from runbook.cli.restore_points import command as restore_points
from runbook.cli.starting import start
from runbook.errors import JournalError, ModelsError, RunbookError
from runbook.journal.verify import verify_now
from runbook.report.page.render import render, render_json, render_markdown
from runbook.text import visible

_FORMATS = {"html": render, "markdown": render_markdown, "json": render_json}
_REST = "Whatever else is typed goes to pytest: `runbook run --help` lists it, under `rollback runbook`."
_WHAT = """\
The rollback runbook for Docker Compose. A rollback is planned with `runbook plan`, and carried out with
`runbook rollback --execute PROJECT`; both are short for a line of pytest, which they print first."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 when all is well, 1 when it is not, 2 for misuse.

    `assess` returns 3 for breaking and 4 for review; what pytest runs returns pytest's.
    """
    parser = command_line()
    argcomplete.autocomplete(parser)
    chosen, rest = parser.parse_known_args(arguments)
    try:
        if chosen.command in shortcuts.SHORTCUTS:
            return shortcuts.begin(chosen, rest)
        if chosen.command == "restore-point" and chosen.what == "restore":
            return restore_points.restore(chosen, rest)
        _refuse_unknown(parser, rest)
        return int(chosen.run(chosen))
    except RunbookError as error:
        print(visible(f"runbook: {error}"), file=sys.stderr)  # noqa: T201 - this is the command line
        return 2 if isinstance(error, ModelsError) else 1
    except BrokenPipeError:
        # The reader closed the pipe (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _refuse_unknown(parser: argparse.ArgumentParser, rest: Sequence[str]) -> None:
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="runbook", description=_WHAT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    starting = commands.add_parser("init", help="look at a running Compose project, and write a runbook.toml for it")
    start.add_options(starting)
    starting.set_defaults(run=_said(start.start))
    examining = commands.add_parser("doctor", help="could I roll back tonight? Tries every setting, changes nothing")
    doctor.add_options(examining)
    examining.set_defaults(run=doctor.run)
    looking = commands.add_parser("status", help="what runs, what is open, and the one next command")
    status.add_options(looking)
    looking.set_defaults(run=_said(status.status))
    for name, shortcut in shortcuts.SHORTCUTS.items():
        # The help of `run` is pytest's own.
        short = commands.add_parser(name, help=shortcut.does, epilog=_REST, allow_abbrev=False, add_help=name != "run")
        short.add_argument("--settings", type=Path, metavar="PATH", help="the settings file")
    checking_settings = commands.add_parser("settings", help="check the settings file, or print its JSON Schema")
    check_settings.add_options(checking_settings)
    checking_settings.set_defaults(run=_said(check_settings.check))
    checking = commands.add_parser("verify", help="tell whether a journal, its page and its outputs are as written")
    verify.add_options(checking)
    checking.set_defaults(run=_verify)
    rendering = commands.add_parser("render", help="make the page of a journal, also of one that broke off")
    records.add_record(rendering)
    rendering.add_argument(
        "--format", choices=tuple(_FORMATS), default="html", help="record.html, record.md or record.json"
    )
    rendering.set_defaults(run=_render)
    listing = commands.add_parser("records", help="list every incident on record, and make the page of them all")
    records.add_options(listing)
    assessing = commands.add_parser("assess", help="judge whether old code can live with new migrations")
    assess.add_options(assessing)
    assessing.set_defaults(run=assess.assess)
    mapping = commands.add_parser("models", help="print what an image's code maps, for assess --models")
    models.add_options(mapping)
    mapping.set_defaults(run=models.models)
    restoring = commands.add_parser("restore-point", help="list the dumps on the host, check one, or restore one")
    restore_points.add_options(restoring)
    unlocking = commands.add_parser("unlock", help="say who holds the lock of a production, or force it away")
    unlock.add_options(unlocking)
    unlocking.set_defaults(run=_said(unlock.unlock))
    completing = commands.add_parser("completion", help="print what lets a shell complete this: bash, zsh or fish")
    completing.add_argument("shell", choices=("bash", "zsh", "fish"))
    completing.set_defaults(run=_said(lambda chosen: shell_integration.shellcode(["runbook"], shell=chosen.shell)))
    return parser


def _said(what: Callable[[argparse.Namespace], str]) -> Callable[[argparse.Namespace], int]:
    """The command that prints what `what` returns."""

    def run(chosen: argparse.Namespace) -> int:
        print(visible(what(chosen)))  # noqa: T201 - this is the command line
        return 0

    return run


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
    print(_FORMATS[chosen.format](journal))  # noqa: T201 - this is the command line
    return 0
