"""One look at production outside any incident: a context that changes nothing and discards its journal."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook.chapters.context import Context, learn_production
from runbook.errors import RunbookError
from runbook.hosts.command import NullRecorder
from runbook.hosts.opening import open_host
from runbook.incident.executor import Executor, Mode
from runbook.incident.options import Options
from runbook.journal.journal import Journal
from runbook.production.compose import Production
from runbook.secrets.known import redactor_for
from runbook.secrets.redactor import Redactor, redact_tracebacks
from runbook.settings.schema import Settings

SETTINGS = Path("runbook.toml")
#: The incident name of such a look. Nothing on the host ever has it.
NAME = "look"


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the settings file."""
    parser.add_argument("--settings", type=Path, default=SETTINGS, metavar="PATH", help="the settings file")


def quiet(settings: Settings) -> Production:
    """Return production for commands that are not recorded."""
    return Production(open_host(settings.host, NullRecorder()), settings.project, settings.deadlines)


@contextmanager
def looking(settings: Settings, redactor: Redactor, options: Options | None = None) -> Iterator[Context]:
    """Open a context with the parts of production. Raises the errors of their creation, such as a missing env file."""
    with tempfile.TemporaryDirectory(prefix="runbook-") as folder:
        incident = Executor(NAME, Mode.PLAN, Journal(Path(folder) / "journal.jsonl", redactor))
        try:
            context = Context(settings, incident, options or Options())
            try:
                yield context
            finally:
                context.close()
        finally:
            incident.journal.close()


def informed_redactor(settings: Settings) -> tuple[Redactor, RunbookError | None]:
    """Return a redactor that knows production's secrets, and the error if it does not know all of them."""
    redactor = redactor_for(settings)
    redact_tracebacks(redactor.text)
    try:
        learn_production(settings, quiet(settings), redactor)
    except RunbookError as error:
        return redactor, error
    return redactor, None
