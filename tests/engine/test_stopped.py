"""A rollback stopped half way says so, keeps users at the gate, and can be resumed from anywhere.

With the journal, the incident is resumed (tests/engine/test_stopped_by_sigkill.py). Without it, as from another laptop,
the command that was typed first continues from the note on the production host.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.engine.conftest import ROOT, Ran, Rehearsed, docker
from tests.engine.judging import registry_digest
from tests.support.keeping import keep

TARGET, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
PATIENCE = 120  # seconds


def wait_for_words(journal: Path, words: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not journal.exists() or words not in journal.read_text():
        assert time.monotonic() < deadline, f"{words!r} was not written to {journal}"
        time.sleep(0.05)


def stopped(here: Rehearsed, words: str, how: signal.Signals, *arguments: str) -> Ran:
    """Start a rollback, send it a signal as soon as the journal contains `words`, and return how it ended."""
    known = set(here.reports.glob("[!.]*"))
    argv = [sys.executable, "-m", "pytest", "features", "--settings", str(here.practice.settings)]
    run = subprocess.Popen(
        [*argv, "--reports", str(here.reports), *arguments, "--execute", here.practice.name],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (new := set(here.reports.glob("[!.]*")) - known):
        assert time.monotonic() < deadline, "no record was begun"
        time.sleep(0.05)
    folder = new.pop()
    wait_for_words(folder / "journal.jsonl", words)
    run.send_signal(how)
    terminal, _ = run.communicate(timeout=PATIENCE)
    return Ran(run.returncode, terminal, folder)


def failed_passed_its_validation(here: Rehearsed) -> None:
    """Write the notes that the host has if the failed release passed its own validation, which is the usual case."""
    folder = here.practice.server / ".runbook"
    lines = [json.loads(line) for line in (folder / "known_good.jsonl").read_text().splitlines()]
    target = next(line for line in lines if line["tag"] == TARGET)
    failed = {
        "tag": FAILED,
        "digests": {service: registry_digest(here, service, FAILED) for service in ("api", "jobs")},
        "validated_by": "ci",
        "validated_at": "now",
    }
    (folder / "known_good.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (target, target | failed)))


def gate(here: Rehearsed) -> str:
    return docker("exec", f"{here.practice.name}-gateway-1", "gate", "state")


def test_stopped_run_says_so_and_goes_on(broken: Rehearsed) -> None:
    """SIGTERM while the target starts: exit 2, record closed, gate held, next command shown; repeated, it completes."""
    failed_passed_its_validation(broken)
    ran = stopped(broken, "every api and jobs container is healthy", signal.SIGTERM, "--close-gate-first")
    assert ran.exit_code == 2, ran.terminal
    assert ran.entries[-1]["kind"] == "closed"
    assert ran.entries[-1]["outcome"] == "interrupted"
    assert "Interrupted at: Then every api and jobs container is healthy" in (ran.folder / "record.html").read_text()
    assert gate(broken) == "held"
    refused = httpx.get(f"{broken.practice.gateway_url}/orders", timeout=30, trust_env=False)
    assert (refused.status_code, refused.elapsed.total_seconds() > 15) == (503, True), "it waited, and was refused"
    again = f"--resume {ran.folder.name} --execute {broken.practice.name}"
    assert [line for line in ran.terminal.splitlines() if again in line]
    assert "gate      held (REQUESTS WAIT, LATER THEY ARE REFUSED)" in ran.terminal
    told = " ".join(ran.terminal.split())
    assert "traffic is held: the gate was held by this incident since" in told
    assert "(a request waits for 20 s at most, and is then refused)" in told
    assert "lock      released" in ran.terminal

    # The command that was typed first: the target runs now, and must not be mistaken for the failed release.
    finished = broken.run("--execute", broken.practice.name)
    assert finished.exit_code == 0, finished.terminal
    assert gate(broken) == "open"
    assert broken.practice.ask("/orders").headers["X-Release"] == TARGET
    states = {entry["summary"]: entry["state"] for entry in finished.of_kind("action")}
    assert states["user traffic is held"] == "already so"
    assert states[f"{FAILED} is quarantined"] == "already so"
    assert finished.fact("origin")["tags"] == [FAILED]
    assert not (broken.practice.server / ".runbook/open_incident.json").exists()


def test_killed_run_leaves_a_journal_that_renders(broken: Rehearsed) -> None:
    """SIGKILL: the journal names the step in flight, verify reports it as open, and render makes the page."""
    broken.practice.deploy(FAILED)
    ran = stopped(broken, "jobs are stopped, and brought up on the target", signal.SIGKILL)
    assert ran.exit_code == -signal.SIGKILL
    journal = str(ran.folder / "journal.jsonl")
    verified = subprocess.run(
        [sys.executable, "-m", "runbook", "verify", journal], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert verified.returncode == 1
    assert "the run was killed" in verified.stdout
    subprocess.run([sys.executable, "-m", "runbook", "render", journal], check=True, cwd=ROOT, capture_output=True)
    keep("killed", ran.folder)
    page = (ran.folder / "record.html").read_text()
    assert "Interrupted at: When jobs are stopped, and brought up on the target" in page
    # From a laptop without the journal: the dead run's lock blocks until a person takes it over.
    refused = broken.run("--to", TARGET, "--execute", broken.practice.name)
    assert refused.exit_code == 4, refused.terminal
    assert f"--resume {ran.folder.name}" in refused.terminal
    unlock = [sys.executable, "-m", "runbook", "unlock", "--settings", str(broken.practice.settings)]
    unlock += ["--reports", str(broken.reports), "--force", "--why", "the laptop is lost"]
    subprocess.run(unlock, check=True, cwd=ROOT, capture_output=True)
    finished = broken.run("--to", TARGET, "--execute", broken.practice.name)
    assert finished.exit_code == 0, finished.terminal
    assert gate(broken) == "open"
    assert broken.practice.ask("/orders").headers["X-Release"] == TARGET
