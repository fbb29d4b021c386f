"""`python -m runbook unlock`: show who holds the lock of a production, or remove the lock, on record."""

import argparse
import os
import shlex
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from runbook.actions import Question
from runbook.chapters.context import env_file_of, learn_production
from runbook.command_hints import resume_command
from runbook.errors import CommandFailed, LockHeld, RunbookError, SettingsError
from runbook.hosts.command import NullRecorder
from runbook.hosts.opening import open_host
from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import FORMAT, Journal
from runbook.journal.private_files import FOLDER_MODE, make_reports
from runbook.operator import operator, operator_from
from runbook.production.compose import Production
from runbook.production.docker_engine import production_host
from runbook.report.archive import index_page
from runbook.report.page.render import render
from runbook.secrets.known import redactor_for
from runbook.secrets.redactor import Redactor, redact_tracebacks
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from runbook.shared_state.lock import CHANGED_HANDS, Held, Lock

_SETTINGS = Path("runbook.toml")
_REPORTS = Path("reports")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `unlock`."""
    parser.add_argument("--settings", type=Path, default=_SETTINGS, help="the settings file")
    parser.add_argument("--reports", type=Path, default=_REPORTS, help="where records land")
    parser.add_argument("--force", action="store_true", help="remove the lock, whoever holds it; with --why")
    parser.add_argument("--why", metavar="REASON", help="why that is safe, for the record")
    parser.set_defaults(run=unlock)


def unlock(chosen: argparse.Namespace) -> str:
    """Show or remove the lock, and return the text to print, without secrets.

    Raises SettingsError, Inconclusive when the lock cannot be read, and LockHeld when the lock is held and not forced,
    or changed hands before it was forced.
    """
    return "\n".join(_unlock_on(host, settings, chosen) for host, settings in load(chosen.settings).on_each().items())


def _unlock_on(host: str, settings: Settings, chosen: argparse.Namespace) -> str:
    redactor = redactor_for(settings)
    redact_tracebacks(redactor.text)
    _learn(settings, redactor)
    try:
        told = redactor.text(_unlock(settings, redactor, chosen))
    except RunbookError as error:
        raise type(error)(redactor.text(error.seen), redactor.text(error.next_step)).on(host) from None
    return f"{host}: {told}" if host else told


def _learn(settings: Settings, redactor: Redactor) -> None:
    """Let `redactor` learn what it can. A lock can be removed without an engine."""
    production = _quiet(settings)
    try:
        learn_production(settings, production, redactor)
    except RunbookError:
        with suppress(RunbookError):
            env_file_of(settings, production, redactor, alone=True).read()


def _unlock(settings: Settings, redactor: Redactor, chosen: argparse.Namespace) -> str:
    name = settings.project.name
    if chosen.force and not (chosen.why or "").strip():
        raise SettingsError("--force without --why", 'say why that is safe: --why "…"; it goes into the record')
    held = _lock(settings).observe()
    if held is None:
        return f"nobody holds the lock of {name}"
    if not chosen.force:
        resume = resume_command(held.holder.incident, name, _begun(chosen))
        raise LockHeld(
            f"the lock of {name} is held by {held}",
            f"{f'resume it: {resume}' if held.abandoned else 'wait until it has ended'};"
            f" or, if you know that no run is active: {_typed(chosen)}"
            ' --force --why "…"',
        )
    return _forced(settings, held, redactor, chosen)


def _lock(settings: Settings) -> Lock:
    return Lock(_quiet(settings))


def _quiet(settings: Settings) -> Production:
    # Its commands are not recorded.
    return Production(open_host(settings.host, NullRecorder()), settings.project, settings.deadlines)


def _begun(chosen: argparse.Namespace) -> list[str]:
    """Return the words that start a run with the same settings and reports."""
    pytest = Path(sys.executable).with_name("pytest")
    return [str(pytest) if pytest.is_file() else "pytest", "features", *_places(chosen)]


def _places(chosen: argparse.Namespace) -> list[str]:
    places = (("--settings", chosen.settings, _SETTINGS), ("--reports", chosen.reports, _REPORTS))
    return [word for option, path, default in places if path != default for word in (option, str(path))]


def _typed(chosen: argparse.Namespace) -> str:
    return shlex.join([sys.executable, "-m", "runbook", "unlock", *_places(chosen)])


def _fresh_folder(reports: Path, project: str) -> Path:
    make_reports(reports)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for again in range(1, 100):
        folder = reports / f"{stamp}-{project}-unlock{f'-{again}' if again > 1 else ''}"
        try:
            folder.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(
                f"the record's folder {folder} cannot be created ({error.strerror})",
                "name another one with --reports DIR",
            ) from None
        return folder
    raise SettingsError(f"no record of {stamp} can be created in {reports}", "check that folder, and try again")


def _forced(settings: Settings, held: Held, redactor: Redactor, chosen: argparse.Namespace) -> str:
    name = settings.project.name
    folder = _fresh_folder(chosen.reports, name)
    incident_name = folder.name
    try:
        journal = Journal(folder / "journal.jsonl", redactor)
    except RunbookError:
        with suppress(OSError):
            folder.rmdir()
        raise
    incident = Executor(incident_name, Mode.EXECUTE, journal)
    why = redactor.text(chosen.why)  # it is also written on the host
    host = open_host(settings.host, incident)
    lock = Lock(Production(host, settings.project, settings.deadlines))
    journal.write(
        "opened",
        sync=True,
        format=FORMAT,
        incident=incident_name,
        project=name,
        directory=str(settings.project.directory),
        type="unlock",
        mode=incident.mode,
        asked_for={"because": why},
        operator=operator(),
        operator_from=operator_from(),
        operator_host=socket.gethostname(),
        **production_host(_quiet(settings)),
        address=host.address,
        process=os.getpid(),
        scenarios=[],
        versions={},
        lock=None,
    )
    outcome = "failed"
    try:
        incident.record_decision(
            Question.LOCK,
            "May the lock be removed from its holder?",
            "yes",
            [f"{operator()}: {why}", str(held)],
            option=("--force", "--why", why),
        )
        incident.execute(lock.force(held, incident_name, why), host)
        outcome = "passed"
    except CommandFailed as error:
        if CHANGED_HANDS not in error.seen:
            raise
        now = _lock(settings).observe()
        raise LockHeld(
            f"the lock of {name} changed hands meanwhile: {f'it is held by {now}' if now else 'nobody holds it now'}",
            f"find out whose run is active, and look again: {_typed(chosen)}",
        ) from None
    finally:
        reached = ["unlocked"] if outcome == "passed" else []
        journal.write("closed", sync=True, outcome=outcome, changes_made=[], reached=reached)
        journal.close()
        page = render(journal.path)
        index_page.refresh(chosen.reports)
    return f"the lock of {name} is free; it was held by {held}\n{page}"
