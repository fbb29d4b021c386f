"""The beginning and the end of a run: production is looked for, the incident is opened, and closed whatever happens."""

import contextlib
import getpass
import importlib.metadata
import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from harness.collecting import Needs, left_out_by_default, missing_needs
from harness.compat import drop_page, install_quiet_reporter
from harness.ending import last_lines
from harness.options import RUN, Run
from harness.progress import Progress
from harness.signals import Signals
from runbook import snapshot
from runbook.errors import JournalError, RunbookError
from runbook.host import Command, Completed, Host
from runbook.incident.incident import Incident
from runbook.incident.journal import FORMAT, Journal
from runbook.incident.redaction import Redactor
from runbook.incident.visible import visible
from runbook.production import Production
from runbook.sentence import Outcome
from runbook.toolbox import Toolbox, redactor_for


class Conduct:
    """What the hooks of one run share: the open incident, its tools, what passed, and the progress on the terminal."""

    def __init__(self, run: Run, redactor: Redactor, progress: Progress, needs: Needs) -> None:
        self.run = run
        self.progress = progress
        self.needs = needs
        self.incident = Incident(run.incident, run.mode, Journal(run.journal, redactor))
        #: How each scenario ended, by its id.
        self.ended: dict[str, Outcome] = {}
        self.ending: str | None = None
        self._tools: Toolbox | None = None

    @property
    def tools(self) -> Toolbox:
        """The parts of this production; made on first use, when the journal can tell about it."""
        if self._tools is None:
            self._tools = Toolbox(self.run.settings, self.incident, self.run.wishes)
        return self._tools


CONDUCT = pytest.StashKey[Conduct]()
REDACTOR = pytest.StashKey[Redactor]()
SIGNALS = pytest.StashKey[Signals]()


class _OffTheRecord:
    """Takes the commands of the look before the incident is opened; a refused run leaves no record."""

    def command_ended(self, completed: Completed) -> None:
        """Let it go."""

    def command_stopped(self, command: Command, why: str) -> None:
        """Let it go."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take over the terminal, so that nothing is printed unredacted."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    config.option.no_header = True
    config.option.reportchars = ""
    config.stash[REDACTOR] = redactor = redactor_for(run.settings)
    install_quiet_reporter(config, redactor.text)
    config.stash[SIGNALS] = signals = Signals()
    signals.install()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Look for production and open the incident; close it whatever happens in between."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    if not session.items:
        drop_page(session.config)
        nothing = "NOTHING WAS SELECTED: nothing was looked at, and nothing was changed"
        Progress(session.config).closed([nothing, *left_out_by_default(session.config)])
        return (yield)
    try:
        _refuse(session, run)
        progress = Progress(session.config)
        conduct = Conduct(run, session.config.stash[REDACTOR], progress, Needs(session.items))
    except (pytest.UsageError, JournalError) as error:
        drop_page(session.config)
        raise pytest.UsageError(visible(session.config.stash[REDACTOR].text(str(error)))) from None
    session.config.stash[CONDUCT] = conduct
    progress.opened(run)
    conduct.incident.journal.write("opened", sync=True, **_opening(run, session))
    ending = "interrupted"
    try:
        result = yield
    except session.Failed:
        ending = "failed"
        raise
    else:
        ending = _came_to(session, conduct)
        return result
    finally:
        session.config.stash[SIGNALS].closing = True
        _close(conduct, ending, session.config.stash[SIGNALS].received)


def _refuse(session: pytest.Session, run: Run) -> None:
    """Raise UsageError, which ends pytest with code 4, when this run may not begin."""
    missing = missing_needs(session.config, session.items)
    if missing:
        raise pytest.UsageError(f"{'; '.join(missing)}, which was not selected → run it without -k and -m")
    try:
        production = Production(
            Host(run.settings.host.environment, _OffTheRecord()), run.settings.project, run.settings.deadlines
        )
        production.running()
    except RunbookError as error:
        raise pytest.UsageError(str(error)) from None


def _came_to(session: pytest.Session, conduct: Conduct) -> str:
    """How a run that came to its end ended: well only if every scenario says so on record, and one was really run."""
    outcomes = [conduct.ended.get(item.nodeid, Outcome.INCONCLUSIVE) for item in session.items]
    good = (Outcome.PASSED, Outcome.PLANNED)
    if not set(outcomes) & set(good) or set(outcomes) - {*good, Outcome.NOT_APPLICABLE}:
        session.testsfailed = session.testsfailed or 1  # what pytest's exit code is made from
    return "failed" if session.testsfailed else "planned" if conduct.incident.planned_changes else "passed"


def _opening(run: Run, session: pytest.Session) -> dict[str, Any]:
    packages = ("pytest", "pytest-bdd", "pytest-html", "httpx", "apprise")
    return {
        "format": FORMAT,
        "incident": run.incident,
        "project": run.settings.project.name,
        "directory": str(run.settings.project.directory),
        "type": run.kind,
        "mode": run.mode,
        "asked_for": asdict(run.wishes),
        "operator": _operator(),
        "operator_host": socket.gethostname(),
        "process": os.getpid(),
        "scenarios": [item.nodeid for item in session.items],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in packages},
    }


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an account
        return f"user {os.getuid()}"


def _close(conduct: Conduct, ending: str, stopped_by: str | None) -> None:
    conduct.ending = ending
    try:
        _close_journal(conduct, ending, stopped_by)
    except JournalError as error:
        # The last lines must be printed all the same: a full disk tells nobody whether users are served.
        conduct.ending = f"{ending}; and {error}"


def _close_journal(conduct: Conduct, ending: str, stopped_by: str | None) -> None:
    incident = conduct.incident
    if incident.sentence_is_open:
        # pytest reports no test that a signal stopped, so no other hook has closed it.
        why = f"stopped by {stopped_by}" if stopped_by else "the run was ended while this sentence was open"
        conduct.progress.sentence_ended(*incident.sentence_ended(KeyboardInterrupt(why)))
    if incident.changes_made and "after" not in incident.facts:
        # Something was changed and the run did not come to its end: what production is now must be known.
        try:
            incident.learn("after", snapshot.take(conduct.tools))
        except RunbookError as error:
            incident.learn("after", f"unknown: {error.seen}")
    reached = sorted(conduct.needs.reached)
    incident.journal.write("closed", sync=True, outcome=ending, changes_made=incident.changes_made, reached=reached)
    incident.journal.close()


@pytest.fixture
def tools(request: pytest.FixtureRequest) -> Toolbox:
    """The parts of this production."""
    return request.config.stash[CONDUCT].tools


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the last lines, the record's path as the very last; leave no empty folder behind a refused run."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    conduct = config.stash.get(CONDUCT, None)
    if conduct is not None and conduct.ending is not None:
        conduct.progress.closed(last_lines(run, conduct.ending, conduct.incident))
    if run.journal.exists():
        if run.page.exists():
            print(run.page)  # noqa: T201 - the last line of the terminal is this path, by contract
        return
    run.page.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run.folder.rmdir()
