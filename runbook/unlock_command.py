"""`python -m runbook unlock`: say who holds the lock of a production, and force it away, on record."""

import argparse
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from runbook.errors import LockHeld, SettingsError
from runbook.host import Host, OffTheRecord
from runbook.incident.incident import Incident, Mode
from runbook.incident.journal import FORMAT, Journal
from runbook.incident.record import render
from runbook.lock import Held, Lock, operator
from runbook.production import Production
from runbook.settings import Settings
from runbook.settings_file import load
from runbook.toolbox import redactor_for


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `unlock` is told on the command line."""
    parser.add_argument("--settings", type=Path, default=Path("runbook.toml"), help="the settings file")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where records land")
    parser.add_argument("--force", action="store_true", help="take the lock away from who holds it; with --why")
    parser.add_argument("--why", metavar="REASON", help="why that is safe; goes into the record")


def unlock(chosen: argparse.Namespace) -> str:
    """Do what the options say, and return what there is to say.

    Raises SettingsError, Inconclusive when the lock cannot be read, and LockHeld when it is held and not forced.
    """
    settings = load(chosen.settings)
    name = settings.project.name
    if chosen.force and not (chosen.why or "").strip():
        raise SettingsError("--force without --why", 'say why that is safe: --why "…"; it goes into the record')
    held = Lock(
        Production(Host(settings.host.environment, OffTheRecord()), settings.project, settings.deadlines)
    ).look()
    if held is None:
        return f"nobody holds the lock of {name}"
    if not chosen.force:
        resume = f"pytest features --resume {held.holder.incident} --execute {name}"
        raise LockHeld(
            f"the lock of {name} is held by {held}",
            f"{f'go on with it: {resume}' if held.abandoned else 'wait until it has ended'};"
            ' or, if you know that nobody is at work: python -m runbook unlock --force --why "…"',
        )
    return _forced(settings, held, str(chosen.why), chosen.reports)


def _forced(settings: Settings, held: Held, why: str, reports: Path) -> str:
    name = settings.project.name
    incident_name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}-unlock"
    journal = Journal(reports / incident_name / "journal.jsonl", redactor_for(settings))
    incident = Incident(incident_name, Mode.EXECUTE, journal)
    why = journal.redactor.text(why)  # it is written on the host as well
    host = Host(settings.host.environment, incident)
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
        operator_host=socket.gethostname(),
        process=os.getpid(),
        scenarios=[],
        versions={},
        lock=None,
    )
    outcome = "failed"
    try:
        incident.decide("May the lock be taken away from who holds it?", "yes", [f"{operator()}: {why}", str(held)])
        incident.carry_out(lock.forcing(held, incident_name, why), host)
        outcome = "passed"
    finally:
        reached = ["unlocked"] if outcome == "passed" else []
        journal.write("closed", sync=True, outcome=outcome, changes_made=[], reached=reached)
        journal.close()
        page = render(journal.path)
    return f"the lock of {name} is free; it was held by {held}\n{page}"
