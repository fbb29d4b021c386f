"""`regression` on three hosts, each with its own engine and database. The second one fails its readiness.

Checked with each host's engine and files.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.conftest import Rehearsed, planted
from tests.support.campaigns import campaign
from tests.support.ssh_server import needs_sshd

pytestmark = [
    campaign,
    needs_sshd,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="a second host needs root"),
]

LIVE, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
HOSTS = ("shop-1", "shop-2", "shop-3")
_SWITCHED_WITHIN = 500.0  # seconds
#: The scenario in which the first host's users reach the target, for each way to switch.
_SWITCHED = ("The target takes the failed release's place[shop-1]", "Traffic is resumed to the target[shop-1]")


def tags(here: Rehearsed) -> dict[str, str]:
    """Return the tag of the api that runs on each host, according to its engine."""
    name, form = f"{here.practice.name}-api-1", "{{.Config.Image}}"
    found = [engine.docker("inspect", "--format", form, name) for engine in here.practice.engines.values()]
    return dict(zip(HOSTS, (each.strip().rpartition(":")[2] for each in found), strict=True))


@contextmanager
def second_database_stopped_behind_the_first_switch(here: Rehearsed) -> Iterator[None]:
    """Stop the second host's database once the first host serves the target."""
    known, over = set(here.reports.glob("[!.]*/")), threading.Event()

    def passed(folder: Path) -> bool:
        wanted = {"kind": "scenario ended", "outcome": "passed"}
        lines = (folder / "journal.jsonl").read_text().splitlines() if (folder / "journal.jsonl").exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return any(wanted.items() <= entry.items() and entry["scenario"] in _SWITCHED for entry in whole)

    def work() -> None:
        until = time.monotonic() + _SWITCHED_WITHIN
        while time.monotonic() < until and not over.wait(0.5):
            if any(passed(folder) for folder in set(here.reports.glob("[!.]*/")) - known):
                _database(here, "stop")
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _database(here: Rehearsed, what: str) -> None:
    list(here.practice.engines.values())[1].docker(what, f"{here.practice.name}-db-1")


def test_it_stops_at_the_second_and_goes_on_there(tmp_path: Path) -> None:
    """The first host runs the target, the third is unchanged. Resumed, all run the target, and the locks are free."""
    with planted("regression", tmp_path, remote=3) as (here, _):
        with second_database_stopped_behind_the_first_switch(here):
            stopped = here.run("--execute", here.practice.name)
        assert stopped.exit_code == 1, stopped.terminal
        ended = [entry["id"] for entry in stopped.of_kind("step began")][-1]
        assert ended.endswith("@shop-2"), stopped.terminal
        found = tags(here)
        assert (found["shop-1"], found["shop-3"]) == (LIVE, FAILED)
        assert all(f"production on {host} now:" in stopped.terminal for host in HOSTS)
        _database(here, "start")
        assert stopped.folder is not None
        resume = ("--resume", stopped.folder.name, "--execute", here.practice.name)
        # The errors of that time are in the logs of the target's containers. The person knows why.
        assert here.run(*resume).exit_code == 1
        assert set(tags(here).values()) == {LIVE, FAILED}
        resumed = here.run(*resume, "--override", "5.3.2@shop-2", "--because", "its database was away for a while")
        resumed.folder = stopped.folder
        assert resumed.exit_code == 0, resumed.terminal
        assert set(tags(here).values()) == {LIVE}
        for server in here.practice.engines:
            notes = server / ".runbook"
            assert not (notes / "lock").exists()
            assert not (notes / "open_incident.json").exists()
            assert LIVE in (notes / "known_good.jsonl").read_text()
        sent = [entry for entry in resumed.of_kind("action") if entry["scope"] == "people" and entry["state"] == "done"]
        assert len(sent) == 3, "ticket, incident log, announcement: once for all hosts"
