"""`python -m rehearsal down [NAME]` removes what rehearsals created; `script/rehearse` starts them."""

import argparse
import sys
from pathlib import Path

from rehearsal.docker_host.cleanup import remove_all, remove_one
from rehearsal.docker_host.engine import Engine
from rehearsal.errors import RehearsalError
from rehearsal.practice_production import FOLDERS
from rehearsal.stages import Stages

ROOT = Path(__file__).parent.parent


def say(line: str) -> None:
    """Print a line and flush it."""
    print(line, flush=True)  # noqa: T201 - this is the command line


def down(name: str | None) -> None:
    """Remove one rehearsal, or all that are not running, and say what was removed."""
    folders = ROOT / FOLDERS
    engine = Engine(folders)
    engine.architecture()
    if name:
        remove_one(engine, folders, name, Stages(say))
    else:
        remove_all(engine, folders, Stages(say))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for an error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    removing = commands.add_parser("down", help="remove everything that rehearsals created, except running ones")
    removing.add_argument("name", nargs="?", metavar="NAME", help="only this one, such as shop-3f2a")
    chosen = parser.parse_args(arguments)
    try:
        down(chosen.name)
    except RehearsalError as error:
        print(f"rehearsal: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
