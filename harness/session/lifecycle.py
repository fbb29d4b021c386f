"""The start and the end of a run: production is located, the incident is opened, and it is always closed."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytest

from harness.ci.annotations import annotate
from harness.collection.deselection import LEFT_OUT, whole
from harness.collection.order import Prerequisites, left_out_by_default, missing_needs, named
from harness.collection.overrides import refuse_overrides
from harness.compat import Redacting, flush_terminal, install_quiet_reporter, through_terminal
from harness.hosts.scenarios import hosts_of_run
from harness.html.compat_html import drop_page
from harness.options import RUN, Run
from harness.planned import refuse_other_runbook
from harness.session.blocked import blocked, unblocked
from harness.session.retyped import Typed
from harness.session.run import RunSession
from harness.session.run_lock import RunLock, RunLocks
from harness.session.signals import Signals
from harness.session.summary import last_lines, plan_of_run, remarks_on_plan
from harness.terminal.progress import Progress
from harness.terminal.screen import colour_of
from runbook.actions import LeftOut, Outcome
from runbook.chapters.context import Context, learn_production
from runbook.errors import RedactionError, RunbookError
from runbook.hosts.command import NullRecorder
from runbook.hosts.opening import open_host
from runbook.hosts.ssh.connection import close_connections
from runbook.incident.executor import Mode
from runbook.production.compose import Production
from runbook.production.docker_engine import production_host
from runbook.report.downtime import in_words, measured
from runbook.report.plan.plan_file import as_json
from runbook.secrets.known import redactor_for
from runbook.secrets.redactor import Redactor, redact_tracebacks
from runbook.secrets.selftest import refuse_leaks, texts_in
from runbook.text import visible

if TYPE_CHECKING:
    import testinfra.host

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
    reporter = install_quiet_reporter(config, redactor.text, on_stderr=config.option.json)
    reporter.says_little = run.is_plan
    if config.option.capture == "no":
        # Steps print straight to the terminal.
        sys.stdout, sys.stderr = (
            cast("TextIO", Redacting(stream, redactor.text, by_line=True)) for stream in (sys.stdout, sys.stderr)
        )
    redact_tracebacks(redactor.text)
    config.stash[SIGNALS] = signals = Signals()
    signals.install()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Locate production, take its lock and open the incident. Always close the incident again."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    if not session.items:
        nothing = "NOTHING SELECTED: nothing was checked, and nothing was changed"
        Progress(session.config).closed([nothing, *left_out_by_default(session.config)])
        return (yield)
    with ExitStack() as until_closed:
        try:
            refuse_leaks(session.config.stash[REDACTOR], {"terminal": partial(_on_terminal, session.config)})
            productions = _refuse(session, run)
            needs = Prerequisites(
                session.items, run.earlier.passed if run.earlier else (), hosts_of_run(session.config)
            )
            conduct = RunSession(run, session.config.stash[REDACTOR], Progress(session.config), needs)
            for each in conduct.hosts:
                each.known = productions[each.name].remembered
            conduct.is_part = bool(session.config.stash.get(LEFT_OUT, ()))
            locks = _locked(productions, conduct, until_closed) if run.mode is Mode.EXECUTE else None
        except (pytest.UsageError, RunbookError) as error:
            raise pytest.UsageError(_refusal(error, session.config.stash[REDACTOR])) from None
        session.config.stash[CONDUCT] = conduct
        signals = session.config.stash[SIGNALS]
        ending = Outcome.INTERRUPTED
        try:
            where = {name: production_host(each) | {"address": each.host.address} for name, each in productions.items()}
            conduct.open(session.items, locks, where)
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
                # A run whose end is not on record has not passed. pytest derives its exit code from this count.
                session.testsfailed = session.testsfailed or 1


def _refusal(error: Exception, redactor: Redactor) -> str:
    # A message about a broken redactor cannot go through it. It quotes nothing from outside.
    return str(error) if isinstance(error, RedactionError) else visible(redactor.text(str(error)))


def _on_terminal(config: pytest.Config, value: Any) -> str:
    return through_terminal(config, texts_in(value))


def _locked(productions: Mapping[str, Production], conduct: RunSession, until_closed: ExitStack) -> RunLocks:
    # The journal first: it belongs to this incident alone. A lock must not be released because the journal fails.
    run = conduct.run
    locks = RunLocks({name: RunLock(each, run.incident, run.resume_command) for name, each in productions.items()})
    until_closed.callback(locks.release)
    try:
        locks.take()
    except BaseException:
        conduct.abandon()
        raise
    return locks


def _came_to(session: pytest.Session, conduct: RunSession) -> Outcome:
    """Return the outcome of a finished run: good only if every scenario is on record as good, and at least one ran."""
    outcomes = {conduct.ended.get(item.nodeid, Outcome.INCONCLUSIVE) for item in session.items}
    good = {outcome for outcome in outcomes if outcome.is_good}
    nothing_ran = not good and LeftOut.PASSED not in conduct.settled.values()
    if nothing_ran or outcomes - good - {Outcome.NOT_APPLICABLE}:
        session.testsfailed = session.testsfailed or 1  # pytest derives its exit code from this
    incidents = [each.incident for each in conduct.hosts]
    bad = [item for item in session.items if conduct.ended.get(item.nodeid) not in (*good, Outcome.NOT_APPLICABLE)]
    # A failure on a way that is not decided yet does not make the decision unnecessary.
    undecided = any(each.undecided for each in incidents)
    on_no_way = all(each.facts.strategy is None for each in incidents) and all(named(item, "strategy") for item in bad)
    if conduct.run.mode is Mode.PLAN and undecided and (on_no_way or not bad):
        return Outcome.DECISION_NEEDED
    if session.testsfailed:
        return Outcome.FAILED
    if conduct.nothing_to_do:
        return Outcome.NOTHING_TO_DO
    return Outcome.PLANNED if any(each.planned_changes for each in incidents) else Outcome.PASSED


def _refuse(session: pytest.Session, run: Run) -> dict[str, Production]:
    """Refuse a run that may not start, and locate production on each host without recording commands.

    Raises UsageError or RunbookError if this run may not start.
    """
    typed = Typed.by(session.config)
    if problems := blocked(session.config):
        raise pytest.UsageError(f"{'; '.join(problems)} → type {unblocked(session.config, typed)}")
    passed = run.earlier.passed if run.earlier else frozenset()
    missing = missing_needs(session.config, session.items, passed)
    if missing:
        raise pytest.UsageError(
            f"{'; '.join(missing)}, which was not selected → to run everything, type {whole(run, typed)}"
        )
    refuse_overrides(run, session.items, typed)
    if run.plan is not None:
        refuse_other_runbook(run.plan, session.items, run.settings_file, typed)
    productions = {}
    for name, settings in run.on_each.items():
        host = open_host(settings.host, NullRecorder())
        productions[name] = Production(host, settings.project, settings.deadlines)
        try:
            productions[name].running()
            learn_production(settings, productions[name], session.config.stash[REDACTOR])
        except RunbookError as error:
            raise error.on(name) from None
    return productions


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Let pytest-html write the page only for a run with a record. A full disk is reported, not raised."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    if CONDUCT not in session.config.stash:
        drop_page(session.config)
        return (yield)
    # By now the journal is closed and the lock released: a blocked terminal can hold up only this process.
    session.config.stash[CONDUCT].progress.ended()
    try:
        return (yield)
    except OSError as error:
        conduct = session.config.stash[CONDUCT]
        if conduct.ending is not None:
            conduct.ending.trouble.append(f"cannot write the page ({error.strerror})")
    finally:
        flush_terminal(session.config)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Show the output so far, because the debugger now waits for input."""
    flush_terminal(config)


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Context:
    """The context of this production."""
    return request.config.stash[CONDUCT].context


@pytest.fixture
def host(context: Context) -> "testinfra.host.Host":
    """The production host as testinfra sees it, for the team's own steps."""
    return context.seen


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> Iterator[None]:
    """Print the last lines, with the record's path as the very last, even if another plugin fails here."""
    try:
        return (yield)
    finally:
        _last_words(config)


def _last_words(config: pytest.Config) -> None:
    # Also removes the empty folder of a refused run.
    close_connections()
    run = config.stash.get(RUN, None)
    if run is None:
        return
    conduct = config.stash.get(CONDUCT, None)
    if conduct is not None:
        conduct.progress.ended()
    ended = conduct is not None and conduct.ending is not None
    if conduct is not None and ended and run.is_plan:
        _show_plan(config, conduct)
    elif conduct is not None and ended:
        conduct.progress.closed(last_lines(conduct), in_words(measured(conduct.journal.entries)))
    annotate(config, conduct.journal.entries if conduct else (), conduct.items if conduct else ())
    if ended and not config.option.json:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(run.page if run.page.exists() else run.journal)  # noqa: T201 - the last line is this path, by contract
    elif not ended and run.earlier is None:
        # A journal that could not be opened: an empty file, or none.
        run.journal.unlink(missing_ok=True)
        run.page.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            run.folder.rmdir()


def _show_plan(config: pytest.Config, conduct: RunSession) -> None:
    """Show the plan on one screen, or print it as JSON."""
    plan = plan_of_run(conduct)
    if not config.option.json:
        conduct.progress.planned(plan, remarks_on_plan(conduct))
        return
    flush_terminal(config)
    with contextlib.suppress(OSError):  # the reader of the pipe may be gone
        print(config.stash[REDACTOR].text(as_json(plan)))  # noqa: T201 - the requested output
