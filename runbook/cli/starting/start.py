"""`runbook init [FOLDER]`: inspect a running Compose project, and write a commented settings file for it."""

import argparse
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from runbook.cli.check_settings import absent_from
from runbook.cli.one_look import SETTINGS
from runbook.cli.starting.seen import look
from runbook.cli.starting.writing import written
from runbook.errors import SettingsError
from runbook.settings.loading.loader import load


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `init`."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="the folder from which it was started")
    parser.add_argument("--settings", type=Path, default=SETTINGS, metavar="PATH", help="the file to write")
    parser.set_defaults(run=start)


def start(chosen: argparse.Namespace) -> str:
    """Write the file, and return the text to print.

    Raises SettingsError when the file exists, and ProductionError when no project can be inspected.
    """
    path: Path = chosen.settings
    if path.exists() or path.is_symlink():
        raise SettingsError(f"{path} already exists, and is not overwritten", "name another one with --settings PATH")
    seen = look(chosen.folder)
    text = written(seen, f"{datetime.now(UTC):%Y-%m-%d}")
    with tempfile.TemporaryDirectory(prefix="runbook-") as folder:
        trial = Path(folder) / "runbook.toml"
        trial.write_text(text, encoding="utf-8")
        settings = load(trial)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written ({error.strerror})", "name another one with --settings PATH"
        ) from None
    given = f" --settings {path}" if path != SETTINGS else ""
    left_out = [f"  {each.key}: {each.follows}" for each in absent_from(settings)]
    services = ", ".join(seen.services) or "NOT SEEN: the variable with the release's tag; see [project] in that file"
    done = f"{path} is written: {settings.project.name}, {services}"
    return "\n".join([done, "not configured:", *left_out, f"next: runbook doctor{given}"])
