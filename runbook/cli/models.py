"""`python -m runbook models`: print the models of an image's code, for `assess --models`."""

import argparse
import json
import os
import sys

from runbook.errors import Inconclusive, ModelsError
from runbook.hosts.command import NullRecorder
from runbook.hosts.local import LocalHost
from runbook.migrations.image.probe import ask_image
from runbook.migrations.image.report import to_json
from runbook.settings.database import MigrationSettings
from runbook.text import visible


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `models`."""
    usual = MigrationSettings()
    parser.add_argument("image", metavar="IMAGE", help="an image on this machine's engine, by tag, digest or id")
    parser.add_argument("--config", default=usual.config, help=f"Alembic's configuration (default: {usual.config})")
    parser.add_argument("--section", default=usual.section, help=f"its section (default: {usual.section})")
    parser.add_argument("--python", default=usual.python, help=f"the image's Python (default: {usual.python})")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="a variable of this shell that env.py needs"
    )
    parser.add_argument("--deadline", type=float, default=60.0, metavar="SECONDS", help="when to give up (default: 60)")
    parser.set_defaults(run=models)


def models(chosen: argparse.Namespace) -> int:
    """Print the models of the image as JSON, and doubts about them to standard error. Return 0.

    Raises ModelsError when the models cannot be read, or a variable is not set.
    """
    unset = [name for name in chosen.env if name not in os.environ]
    if unset:
        raise ModelsError(f"{', '.join(unset)} is not set in this shell", f"set it: export {unset[0]}=…")
    settings = MigrationSettings(config=chosen.config, section=chosen.section, python=chosen.python)
    environment = {name: os.environ[name] for name in chosen.env}
    host = LocalHost({}, NullRecorder())
    try:
        report = ask_image(host, chosen.image, settings, environment=environment, span=None, deadline=chosen.deadline)
    except Inconclusive as error:
        raise ModelsError(error.seen, error.next_step.replace("migrations.", "--")) from None
    why = [problem.why for problem in report.problems if problem.what == "models"]
    if report.models is None:
        raise ModelsError(
            f"the models of {chosen.image} cannot be read: {report.why('models')}",
            "if env.py needs variables, set them and name each with --env; otherwise check its target_metadata",
        )
    sys.stderr.write(visible("".join(f"runbook: {each}\n" for each in why)))
    sys.stdout.write(json.dumps(to_json(report)["models"], indent=2) + "\n")
    return 0
