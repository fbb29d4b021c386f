# PYTHON_ARGCOMPLETE_OK
"""The rollback runbook: look whether it could roll back, plan, carry out, validate; and what is done beside that."""

import argparse
import os
import pkgutil
import sys
from collections.abc import Collection

import argcomplete

from runbook.cli import shortcuts
from runbook.errors import ModelsError, RunbookError
from runbook.text import visible

#: Each command: what it does, and what adds its options, which is loaded for the command that is typed.
_COMMANDS = {
    "init": ("look at a running Compose project, and write a runbook.toml for it", "starting.start:add_options"),
    "doctor": ("could I roll back tonight? Tries every setting, changes nothing", "doctor:add_options"),
    "status": ("what runs, what is open, and the one next command", "status:add_options"),
    **{name: (each.does, "shortcuts:add_options") for name, each in shortcuts.SHORTCUTS.items()},
    "settings": ("check the settings file, or print its JSON Schema", "check_settings:add_options"),
    "verify": ("tell whether a journal, its page and its outputs are as written", "verify:add_options"),
    "render": ("make the page of a journal, also of one that broke off", "records:add_rendering"),
    "records": ("list every incident on record, and make the page of them all", "records:add_options"),
    "assess": ("judge whether old code can live with new migrations", "assess:add_options"),
    "models": ("print what an image's code maps, for assess --models", "models:add_options"),
    "restore-point": ("list the dumps on the host, check one, or restore one", "restore_points.command:add_options"),
    "unlock": ("say who holds the lock of a production, or force it away", "unlock:add_options"),
    "completion": ("print what lets a shell complete this: bash, zsh or fish", "shortcuts:add_completion"),
}
_WHAT = """\
The rollback runbook for Docker Compose. A rollback is planned with `runbook plan`, and carried out with
`runbook rollback --execute PROJECT`; both are short for a line of pytest, which they print first."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 when all is well, 1 when it is not, 2 for misuse.

    `assess` returns 3 for breaking and 4 for review; what pytest runs returns pytest's.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    # A shell that completes a line hands it over there.
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
        # The reader closed the pipe (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def command_line(typed: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line, with the options of the `typed` commands: to load all takes a second.

    What a command adds sets `run`, which returns its exit code or what there is to say; or `begin`, which also takes
    the words that the parser does not know.
    """
    parser = argparse.ArgumentParser(prog="runbook", description=_WHAT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (does, adds) in _COMMANDS.items():
        # The help of `run` is pytest's own.
        command = commands.add_parser(name, help=does, add_help=name != "run")
        if name in typed:
            pkgutil.resolve_name(f"runbook.cli.{adds}")(command)
    return parser
