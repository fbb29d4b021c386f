"""A plugin that cuts the SSH connection of its run under a change: `-p tests.engine.cutter`.

RUNBOOK_CUT is the path of a JSON file: `kind` says what is cut; `host` is the process of the second host; `seconds` is
the duration of each change without cuts, by summary; `drawn` is the fraction of it after which to cut; and `struck` are
the changes that were already cut. Each change is cut once, after its intent is on record.

server   the sshd processes that carry a connection are killed
client   every ssh process of this run is killed
network  packets are dropped silently in both directions until `mend` is called
gap      the same, for eight seconds: less than what ssh needs to consider a connection dead
run      the run itself is killed with SIGKILL
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runbook.journal.journal import Entry, Journal

VARIABLE = "RUNBOOK_CUT"
KINDS = ("server", "client", "network", "gap", "run")
_GAP = 8.0  # seconds
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def carriers(host: int) -> Iterator[int]:
    """Yield the sshd processes in the second host's network that carry one connection each."""
    home = Path(f"/proc/{host}/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns/net").readlink() == home and (process / "cmdline").read_bytes().startswith(
                b"sshd: deploy"
            ):
                yield int(process.name)


def _clients() -> Iterator[int]:
    """Yield the ssh processes that this process has started."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and (process / "comm").read_text().strip() == "ssh":
                yield int(process.name)


def _packets(act: str, host: int) -> None:
    for chain, interface in (("INPUT", "-i"), ("OUTPUT", "-o")):
        rule = ("iptables", "--wait", act, chain, interface, "shop-+", "-j", "DROP")
        subprocess.run(
            ("nsenter", f"--net=/proc/{host}/ns/net", *rule), env={"PATH": _PATH}, check=False, capture_output=True
        )


def mend(host: int) -> None:
    """Let packets pass again."""
    _packets("-D", host)


def cut(kind: str, host: int) -> None:
    """Cut the connection."""
    if kind == "run":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind in ("network", "gap"):
        _packets("-I", host)
        if kind == "gap":
            time.sleep(_GAP)
            mend(host)
    else:
        for process in list(carriers(host) if kind == "server" else _clients()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@pytest.hookimpl
def pytest_configure() -> None:
    """Watch everything that is written to the journal."""
    path, write, change = Path(os.environ[VARIABLE]), Journal.write, ""

    def watched(journal: Journal, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        nonlocal change
        entry = write(journal, kind, sync=sync, **facts)
        if kind == "action":
            change = facts["summary"] if facts["state"] == "begun" else ""
        plan = json.loads(path.read_text()) if change else {"struck": [change]}
        # If the duration of a change is known, the moment counts from its intent, otherwise from its first command.
        lasts = plan.get("seconds", {}).get(change)
        if change not in plan["struck"] and kind == ("command began" if lasts is None else "action"):
            path.write_text(json.dumps(plan | {"struck": [*plan["struck"], change]}))
            timer = threading.Timer((lasts or 0.0) * plan["drawn"], cut, (plan["kind"], plan["host"]))
            timer.daemon = True
            timer.start()
        return entry

    Journal.write = watched  # type: ignore[method-assign,assignment]  # the one place where everything comes by
