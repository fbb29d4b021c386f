"""The beginning and the end of a run: production is looked for, the incident is opened, and closed whatever happens."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, TextIO, cast

import pytest

from harness.collection.deselection import LEFT_OUT, whole
from harness.collection.order import Prerequisites, left_out_by_default, missing_needs, named
from harness.collection.overrides import refuse_overrides
from harness.compat import Redacting, flush_terminal, install_quiet_reporter, through_terminal
from harness.html.compat_html import drop_page
from harness.options import RUN, Run
from harness.session.blocked import blocked, unblocked
from harness.session.retyped import Typed
from harness.session.run import RunSession
from harness.session.run_lock import RunLock
from harness.session.signals import Signals
from harness.session.summary import last_lines
from harness.terminal.progress import Progress
from harness.terminal.screen import colour_of
from runbook.actions import LeftOut, Outcome
from runbook.chapters.context import Context, learn_production
from runbook.errors import RedactionError, RunbookError
from runbook.hosts.command import NullRecorder
from runbook.hosts.local import Host
from runbook.incident.executor import Mode
from runbook.production.compose import Production
from runbook.production.docker_engine import production_host
from runbook.report.downtime import in_words, measured
from runbook.secrets.known import redactor_for
from runbook.secrets.redactor import Redactor, redact_tracebacks
from runbook.secrets.selftest import refuse_leaks, texts_in
from runbook.text import visible

CONDUCT = pytest.StashKey[RunSession]()
REDACTOR = pytest.StashKey[Redactor]()
SIGNALS = pytest.StashKey[Signals]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take over the terminal, so that nothing is printed unredacted."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    config.option.no_header = True
    config.option.reportchars = ""
    config.option.color = colour_of(config.option.color, os.environ, no_color=config.option.no_color)
    config.stash[REDACTOR] = redactor = redactor_for(run.settings)
    install_quiet_reporter(config, redactor.text)
    if config.option.capture == "no":
        # What steps print goes straight to the terminal.
        sys.stdout, sys.stderr = (
            cast("TextIO", Redacting(stream, redactor.text, by_line=True)) for stream in (sys.stdout, sys.stderr)
        )
    redact_tracebacks(redactor.text)
    config.stash[SIGNALS] = signals = Signals()
    signals.install()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Look for production, take its lock, and open the incident; close it whatever happens in between."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    if not session.items:
        nothing = "NOTHING WAS SELECTED: nothing was looked at, and nothing was changed"
        Progress(session.config).closed([nothing, *left_out_by_default(session.config)])
        return (yield)
    with ExitStack() as until_closed:
        try:
            refuse_leaks(session.config.stash[REDACTOR], {"terminal": partial(_on_terminal, session.config)})
            production = _refuse(session, run)
            needs = Prerequisites(session.items, run.earlier.passed if run.earlier else ())
            conduct = RunSession(run, session.config.stash[REDACTOR], Progress(session.config), needs)
            conduct.is_part = bool(session.config.stash.get(LEFT_OUT, ()))
            lock = _locked(production, conduct, until_closed) if run.mode is Mode.EXECUTE else None
        except (pytest.UsageError, RunbookError) as error:
            raise pytest.UsageError(_refusal(error, session.config.stash[REDACTOR])) from None
        session.config.stash[CONDUCT] = conduct
        signals = session.config.stash[SIGNALS]
        ending = Outcome.INTERRUPTED
        try:
            conduct.open(session.items, lock, production_host(production))
            result = yield
        except (session.Failed, RunbookError):
            ending = Outcome.FAILED
            raise
        else:
            ending = _came_to(session, conduct)
            return result
        finally:
            signals.close()
            if not conduct.close(ending, signals.received):
                # Without its end on record a run has not passed: what pytest's exit code is made from.
                session.testsfailed = session.testsfailed or 1


def _refusal(error: Exception, redactor: Redactor) -> str:
    # What is said of a redactor that does not work cannot go through it, and quotes nobody.
    return str(error) if isinstance(error, RedactionError) else visible(redactor.text(str(error)))


def _on_terminal(config: pytest.Config, value: Any) -> str:
    return through_terminal(config, texts_in(value))


def _locked(production: Production, conduct: RunSession, until_closed: ExitStack) -> RunLock:
    # The journal first: it is this incident's alone, and a lock that is taken must not be let go of for its sake.
    lock = RunLock(production, conduct.run.incident, conduct.run.resume_command)
    until_closed.callback(lock.release)
    try:
        lock.take()
    except BaseException:
        conduct.abandon()
        raise
    return lock


def _came_to(session: pytest.Session, conduct: RunSession) -> Outcome:
    """How a run that came to its end ended: well only if every scenario says so on record, and one was really run."""
    outcomes = {conduct.ended.get(item.nodeid, Outcome.INCONCLUSIVE) for item in session.items}
    good = {outcome for outcome in outcomes if outcome.is_good}
    nothing_ran = not good and LeftOut.PASSED not in conduct.settled.values()
    if nothing_ran or outcomes - good - {Outcome.NOT_APPLICABLE}:
        session.testsfailed = session.testsfailed or 1  # what pytest's exit code is made from
    incident = conduct.incident
    bad = [item for item in session.items if conduct.ended.get(item.nodeid) not in (*good, Outcome.NOT_APPLICABLE)]
    # What goes wrong on a way that nobody has decided on yet does not take the decision away.
    on_no_way = "strategy" not in incident.facts and all(named(item, "strategy") for item in bad)
    if incident.mode is Mode.PLAN and incident.undecided and (on_no_way or not bad):
        return Outcome.DECISION_NEEDED
    if session.testsfailed:
        return Outcome.FAILED
    if "nothing to do" in incident.facts:
        return Outcome.NOTHING_TO_DO
    return Outcome.PLANNED if incident.planned_changes else Outcome.PASSED


def _refuse(session: pytest.Session, run: Run) -> Production:
    """Look for production, off the record; raise UsageError or RunbookError when this run may not begin."""
    typed = Typed.by(session.config)
    if problems := blocked(session.config):
        raise pytest.UsageError(f"{'; '.join(problems)} → type {unblocked(session.config, typed)}")
    passed = run.earlier.passed if run.earlier else frozenset()
    missing = missing_needs(session.config, session.items, passed)
    if missing:
        raise pytest.UsageError(
            f"{'; '.join(missing)}, which was not selected → to run it whole, type {whole(run, typed)}"
        )
    refuse_overrides(run, session.items, typed)
    host = Host(run.settings.host.environment, NullRecorder())
    production = Production(host, run.settings.project, run.settings.deadlines)
    production.running()
    learn_production(run.settings, host, session.config.stash[REDACTOR])
    return production


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Let pytest-html write the page of a run that has a record, and of no other; a full disk is said, not raised."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    if CONDUCT not in session.config.stash:
        drop_page(session.config)
        return (yield)
    # The journal is closed and the lock is free by now: a terminal that takes nothing any more can hold up only us.
    session.config.stash[CONDUCT].progress.ended()
    try:
        return (yield)
    except OSError as error:
        conduct = session.config.stash[CONDUCT]
        if conduct.ending is not None:
            conduct.ending.trouble.append(f"the page cannot be written ({error.strerror})")
    finally:
        flush_terminal(session.config)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Show what was written up to here: a person is asked now."""
    flush_terminal(config)


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Context:
    """The parts of this production."""
    return request.config.stash[CONDUCT].context


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the last lines, the record's path as the very last; leave no empty folder behind a refused run."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    conduct = config.stash.get(CONDUCT, None)
    if conduct is not None:
        conduct.progress.ended()
    if conduct is not None and conduct.ending is not None:
        conduct.progress.closed(last_lines(conduct), in_words(measured(conduct.incident.journal.entries)))
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(run.page if run.page.exists() else run.journal)  # noqa: T201 - the last line is this path, by contract
    elif run.earlier is None:
        # What a journal that could not be opened left: an empty one, or none.
        run.journal.unlink(missing_ok=True)
        run.page.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            run.folder.rmdir()
