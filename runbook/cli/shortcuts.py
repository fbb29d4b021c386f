"""`runbook plan`, `rollback`, `validate`, `emergency`: short forms of the runbook's pytest command lines.

The command line is printed, so that it can be typed again. Then pytest replaces this process.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from argcomplete import shell_integration

from runbook.command_hints import CHECKOUT, REPORTS, SETTINGS, features, installed
from runbook.errors import SettingsError


@dataclass(frozen=True)
class Shortcut:
    """A short form: its help, the options that it stands for, and whether it needs --execute."""

    does: str
    options: tuple[str, ...] = ()
    executes: bool = False


SHORTCUTS = {
    "plan": Shortcut("show what a rollback would do now; changes nothing"),
    "rollback": Shortcut("execute a rollback: --execute PROJECT", executes=True),
    "validate": Shortcut("validate the running release; with --release TAG, one before it is deployed"),
    "emergency": Shortcut("turn a kill switch off: a plan; with --execute PROJECT, do it", ("-m", "emergency")),
    "run": Shortcut("run pytest with any of its and the runbook's options; printed commands use it"),
}
_REST = "All other arguments go to pytest: `runbook run --help` lists them, under `rollback runbook`."
#: The short form behind `runbook restore-point restore`; `--dump FILE` follows its options.
RESTORE = Shortcut("restore a dump beside the live database, then swap the two", ("-m", "restore"))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that a short form handles itself."""
    parser.epilog, parser.allow_abbrev = _REST, False
    parser.add_argument("--settings", type=Path, metavar="PATH", help="the settings file")
    parser.set_defaults(begin=begin)


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add the options of `completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=lambda chosen: shell_integration.shellcode(["runbook"], shell=chosen.shell))


def line(name: str, rest: Sequence[str], *, settings: Path | None = None, here: Path | None = None) -> list[str]:
    """Return the command line of a short form, as typed in the folder `here`.

    Raises SettingsError for a rollback without --execute.
    """
    shortcut, here = SHORTCUTS.get(name, RESTORE), here or Path.cwd()
    if shortcut.executes and not any(word.partition("=")[0] == "--execute" for word in rest):
        raise SettingsError(
            "runbook rollback without --execute: the project's name is the confirmation",
            "first see what it would do: type runbook plan",
        )
    options = shortcut.options
    if name == "validate":
        before = any(word.partition("=")[0] == "--release" for word in rest)
        options = ("-m", "pre_deploy" if before else "post_deploy")
    pytest = Path(sys.executable).with_name("pytest")
    at_home = here == CHECKOUT and not installed()
    program = os.path.relpath(pytest, here) if pytest.is_file() and at_home else str(pytest)
    folder = "features" if at_home else str(features())
    if settings is None and not at_home:
        settings = here / SETTINGS
    given = any(word.partition("=")[0] == "--reports" for word in rest)
    reports = () if at_home or given else ("--reports", str(here / REPORTS))
    return [program, folder, *options, *(("--settings", str(settings)) if settings else ()), *reports, *rest]


def begin(chosen: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print the command line, and replace this process with it. Raises SettingsError when pytest cannot be started."""
    become(line(chosen.command, rest, settings=chosen.settings))
    return 1


def become(words: list[str]) -> None:
    """Print a command line, and replace this process with it. Raises SettingsError when it cannot be started."""
    print(shlex.join(words), flush=True)  # noqa: T201 - this is the command line
    try:
        os.execv(words[0], words)  # noqa: S606 - exactly the words printed, without a shell
    except OSError as error:
        raise SettingsError(
            f"{words[0]} cannot be started ({error.strerror})", "create the environment: script/bootstrap --fast"
        ) from None
