# PYTHON_ARGCOMPLETE_OK
"""The command line of the rollback runbook: check, plan, execute, validate, and the other commands."""

import argparse
import os
import pkgutil
import sys
from collections.abc import Collection

import argcomplete

from runbook.cli import shortcuts
from runbook.errors import ModelsError, RunbookError
from runbook.text import visible

#: Each command: its help, and the function that adds its options, which is imported only for the command typed.
_COMMANDS = {
    "init": ("inspect a running Compose project, and write a runbook.toml for it", "starting.start:add_options"),
    "doctor": ("could I roll back tonight? Tests every setting, changes nothing", "doctor:add_options"),
    "status": ("what runs, what is open, and the one next command", "status:add_options"),
    **{name: (each.does, "shortcuts:add_options") for name, each in shortcuts.SHORTCUTS.items()},
    "settings": ("check the settings file, or print its JSON Schema", "check_settings:add_options"),
    "verify": ("check that a journal, its page and its outputs are unchanged", "verify:add_options"),
    "render": ("render the page of a journal, even of an interrupted one", "records:add_rendering"),
    "records": ("list the incidents on record, and write their index page", "records:add_options"),
    "assess": ("judge whether old code can live with new migrations", "assess:add_options"),
    "models": ("print the models of an image's code, for assess --models", "models:add_options"),
    "restore-point": ("list the dumps on the host, check one, or restore one", "restore_points.command:add_options"),
    "unlock": ("show who holds the lock of a production, or remove the lock", "unlock:add_options"),
    "completion": ("print the completion script for bash, zsh or fish", "shortcuts:add_completion"),
}
_WHAT = """\
The rollback runbook for Docker Compose. Plan a rollback with `runbook plan`, and execute it with
`runbook rollback --execute PROJECT`. Both are short forms of a pytest command, which they print first."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 for success, 1 for a problem, 2 for misuse.

    `assess` returns 3 for breaking and 4 for review. Commands that run pytest return pytest's exit code.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    # For completion, the shell passes the line in COMP_LINE.
    line = os.environ["COMP_LINE"].split()[1:] if "_ARGCOMPLETE" in os.environ else typed
    parser = command_line(line[:1])
    argcomplete.autocomplete(parser)
    chosen, rest = parser.parse_known_args(typed)
    if rest and not hasattr(chosen, "begin"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        said = chosen.begin(chosen, rest) if hasattr(chosen, "begin") else chosen.run(chosen)
        if isinstance(said, str):
            print(visible(said))  # noqa: T201 - this is the command line
            return 0
        return int(said)
    except RunbookError as error:
        print(visible(f"runbook: {error}"), file=sys.stderr)  # noqa: T201 - this is the command line
        return 2 if isinstance(error, ModelsError) else 1
    except BrokenPipeError:
        # The reader closed the pipe (`| head`). Without this Python would print another error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def command_line(typed: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser with the options of the `typed` commands only, because importing all takes a second.

    A command sets `run`, which returns its exit code or its output, or `begin`, which also takes the words that the
    parser does not know.
    """
    parser = argparse.ArgumentParser(prog="runbook", description=_WHAT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (does, adds) in _COMMANDS.items():
        # `run --help` prints pytest's help.
        command = commands.add_parser(name, help=does, add_help=name != "run")
        if name in typed:
            pkgutil.resolve_name(f"runbook.cli.{adds}")(command)
    return parser
