"""The incident `regression`, checked with the engine, the files and HTTP answers instead of the record."""

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import testinfra

from tests.engine.conftest import ROOT, Rehearsed, docker
from tests.engine.judging import fits_on_one_screen, registry_digest
from tests.support.keeping import keep
from tests.support.same_commands import commands, differences

TARGET, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
#: The most commands that a run may start on the host. docs/performance.md lists them.
MOST_OF_A_PLAN, MOST_OF_A_ROLLBACK = 10, 29
VERIFY = [str(ROOT / ".venv/bin/python"), "-m", "runbook", "verify"]


def env_value(here: Rehearsed, key: str) -> str:
    lines = here.env_file.read_text().splitlines()
    line = next(line for line in lines if line.removeprefix("export ").startswith(f"{key}="))
    return line.partition("=")[2].strip("'\"")


def announcements(here: Rehearsed) -> list[dict[str, object]]:
    """Return everything that the desk was told, at every turn."""
    found: list[dict[str, object]] = httpx.get(f"{here.practice.desk_url}/announcements", trust_env=False).json()
    return found


def test_plan_changes_nothing(rehearsed: Rehearsed) -> None:
    """A plan changes no container and no byte of the env file, and exits with 0."""
    assert rehearsed.plan is not None
    assert rehearsed.plan.exit_code == 0, rehearsed.plan.terminal
    assert rehearsed.ids_after_plan == rehearsed.ids_before
    assert rehearsed.env_after_plan == rehearsed.env_before
    assert not [
        e for e in rehearsed.plan.of_kind("action") if e["state"] in ("begun", "done") and "fetched" not in e["summary"]
    ]


def test_plan_shows_the_commands(rehearsed: Rehearsed) -> None:
    """A plan keeps the commands that it would run, and ends with the command that executes it, on one screen."""
    assert rehearsed.plan is not None
    planned = "\n".join(commands(rehearsed.plan.entries))
    assert "gate hold" in planned
    assert "up -d --no-deps --no-build --pull never --no-recreate --scale api=2 api" in planned
    assert "up -d --no-deps --no-build --pull never jobs" in planned
    assert fits_on_one_screen(rehearsed.plan, 25), rehearsed.plan.terminal
    assert f"--to {TARGET} --execute {rehearsed.practice.name}" in rehearsed.plan.terminal


def test_execution_does_what_the_plan_said(rehearsed: Rehearsed) -> None:
    """The execution matches the plan step by step, command by command; also the plan made with the registry down."""
    assert rehearsed.rollback is not None
    assert rehearsed.rollback.exit_code == 0, rehearsed.rollback.terminal
    for plan in (rehearsed.plan, rehearsed.plan_without_registry):
        assert plan is not None
        assert differences(plan.entries, rehearsed.rollback.entries) == []


@pytest.mark.parametrize(("which", "most"), [("plan", MOST_OF_A_PLAN), ("rollback", MOST_OF_A_ROLLBACK)])
def test_few_commands_are_started(rehearsed: Rehearsed, which: str, most: int) -> None:
    """Nothing is queried twice: the commands that a plan and a rollback start on the host, by their journals."""
    run = getattr(rehearsed, which)
    started = [entry["command"] for entry in run.of_kind("command") if not entry.get("by_engine")]
    assert len(started) <= most, "\n".join(started)


def test_rollback_passes(rehearsed: Rehearsed) -> None:
    """The rollback exits with 0, says so, and its last line is the path of its record."""
    assert rehearsed.rollback is not None
    assert rehearsed.rollback.exit_code == 0, rehearsed.rollback.terminal
    last = rehearsed.rollback.terminal.strip().splitlines()[-1]
    assert Path(last) == rehearsed.rollback.folder / "record.html"
    assert "17 passed" in rehearsed.rollback.terminal
    keep("regression", rehearsed.rollback.folder)


def test_api_and_jobs_run_the_registrys_digest(rehearsed: Rehearsed) -> None:
    """The engine shows api and jobs on the image that the registry has for the target."""
    for service in ("api", "jobs"):
        container = f"{rehearsed.practice.name}-{service}-1"
        image = docker("inspect", "--format", "{{.Image}}", container)
        digests = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", image))
        assert registry_digest(rehearsed, service, TARGET) in {digest.partition("@")[2] for digest in digests}
        assert registry_digest(rehearsed, service, FAILED) not in {digest.partition("@")[2] for digest in digests}


def test_other_services_kept_their_containers(rehearsed: Rehearsed) -> None:
    """Database, gateway, registry and desk keep their containers. Those of api and jobs are new."""
    now = rehearsed.ids()
    new = {name for name in now if now[name] != rehearsed.ids_before.get(name)}
    name = rehearsed.practice.name
    assert new == {f"{name}-api-1", f"{name}-jobs-1"}
    assert now.keys() == rehearsed.ids_before.keys()


def test_env_file_differs_in_one_value_only(rehearsed: Rehearsed) -> None:
    """The env file names the target. Every other byte, its mode and its owner are unchanged."""
    now, stat = rehearsed.env_file.read_bytes(), rehearsed.env_file.stat()
    assert rehearsed.stat_before is not None
    assert now != rehearsed.env_before
    changed = [
        (old, new) for old, new in zip(rehearsed.env_before.splitlines(), now.splitlines(), strict=True) if old != new
    ]
    assert len(changed) == 1
    old, new = changed[0]
    assert old.replace(FAILED.encode(), TARGET.encode()) == new
    assert (stat.st_mode, stat.st_uid, stat.st_gid) == (
        rehearsed.stat_before.st_mode,
        rehearsed.stat_before.st_uid,
        rehearsed.stat_before.st_gid,
    )


def test_testinfra_agrees_on_the_host(rehearsed: Rehearsed) -> None:
    """The testinfra view has the env file's mode, and no unfinished file next to it."""
    host = testinfra.get_host("local://")
    assert host.file(str(rehearsed.env_file)).mode == 0o640
    assert not host.file(f"{rehearsed.env_file}.new").exists
    assert host.file(str(rehearsed.practice.server / ".runbook")).mode == 0o700


def test_plain_compose_up_changes_nothing(rehearsed: Rehearsed) -> None:
    """`docker compose up -d`, typed in the project's folder, keeps every container."""
    before = rehearsed.ids()
    rehearsed.practice.engine.compose(rehearsed.practice.server, "up", "--detach")
    assert rehearsed.ids() == before


def test_users_are_served_by_the_target(rehearsed: Rehearsed) -> None:
    """Through the gateway, orders can be read and placed, and the answers are the target's."""
    answer = rehearsed.practice.ask("/orders")
    assert (answer.status_code, answer.headers["X-Release"]) == (200, TARGET)
    order = {"customer": "Eve", "item": "mug", "quantity": 1, "currency": "EUR"}
    assert httpx.post(f"{rehearsed.practice.gateway_url}/orders", json=order, trust_env=False).status_code == 201
    ready = rehearsed.practice.ask("/readyz").json()
    assert ready["ready"] is ready["jobs"] is ready["database"] is ready["migrations_current"] is True


def test_desk_received_announcement_and_ticket(rehearsed: Rehearsed) -> None:
    """The desk was told each turn, at the end with the journal's head at that moment, and holds one ticket."""
    assert rehearsed.rollback is not None
    incident = rehearsed.rollback.of_kind("opened")[0]["incident"]
    told = announcements(rehearsed)
    assert [each["type"] for each in told] == ["info", "info", "success"]
    assert all(incident in json.dumps(each) for each in told)
    assert "rolling back to" in json.dumps(told[0])
    assert "traffic is resumed" in json.dumps(told[1])
    heads = {entry["previous"] for entry in rehearsed.rollback.entries}
    assert any(head in json.dumps(told[-1]) for head in heads)
    token = (rehearsed.practice.folder / "secrets/ticket_token").read_text().strip()
    issues = httpx.get(
        f"{rehearsed.practice.desk_url}/api/v3/repos/shop/shop/issues",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    ).json()
    assert [incident in issue["body"] for issue in issues] == [True]
    assert issues[0]["html_url"] in json.dumps(told[-1])
    assert (rehearsed.practice.folder / "incidents.md").read_text().count(f"<!-- rollback-runbook {incident} -->") == 1


def test_errors_are_counted_apart(rehearsed: Rehearsed) -> None:
    """The failed release's errors are recorded as from before the switch, and none counts as new."""
    assert rehearsed.rollback is not None
    before = rehearsed.rollback.fact("before")["log_errors"]
    assert sum(before.values()) > 0
    assert any("KeyError" in signature or "ERROR" in signature for signature in before)
    assert sum(rehearsed.rollback.fact("after")["log_errors"].values()) == 0


def test_requests_wait_only_while_the_target_takes_the_place(rehearsed: Rehearsed) -> None:
    """Order by the journal: env file, both services up, then requests are held, failed containers removed, released."""
    assert rehearsed.rollback is not None
    begun = [entry["summary"] for entry in rehearsed.rollback.of_kind("action") if entry["state"] == "begun"]
    order = [
        "is quarantined", "says IMAGE_TAG=", "started beside", "brought up on", "user traffic is held",
        "containers of api are stopped", "user traffic is resumed", "containers of api are removed",
    ]  # fmt: skip
    places = [next(n for n, summary in enumerate(begun) if word in summary) for word in order]
    assert places == sorted(places)


def test_failed_release_is_quarantined_and_target_in_the_ledger(rehearsed: Rehearsed) -> None:
    """On the host, the failed digests are in quarantine, and the ledger's newest line is the target's."""
    folder = rehearsed.practice.server / ".runbook"
    quarantine = [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]
    failed = {registry_digest(rehearsed, service, FAILED) for service in ("api", "jobs")}
    assert {line["digest"] for line in quarantine} == failed
    ledger = [json.loads(line) for line in (folder / "known_good.jsonl").read_text().splitlines()]
    assert ledger[-1]["tag"] == TARGET
    assert ledger[-1]["validated_by"] == rehearsed.rollback.of_kind("opened")[0]["incident"]


def test_journal_verifies_and_tells_any_change(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """`python -m runbook verify` passes on the journal, and fails after one byte is changed or the last line is cut."""
    assert rehearsed.rollback is not None
    journal = rehearsed.rollback.folder / "journal.jsonl"
    assert subprocess.run([*VERIFY, str(journal)], check=False).returncode == 0
    data = journal.read_bytes()
    copy = tmp_path / "journal.jsonl"
    for place in (0, len(data) // 3, len(data) - 30, len(data) - 1):
        copy.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert subprocess.run([*VERIFY, str(copy)], check=False, capture_output=True).returncode == 1, place
    copy.write_bytes(b"".join(data.splitlines(keepends=True)[:-1]))
    assert subprocess.run([*VERIFY, str(copy)], check=False, capture_output=True).returncode == 1


def encodings(secret: str) -> set[str]:
    """Return the four encodings, made here in other ways than the redactor's."""
    raw = secret.encode()
    inside = {base64.b64encode(b"x" * n + raw + b"y" * 3).decode()[4:-8] for n in range(3)}
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
    } | inside


def test_no_secret_is_written_anywhere(rehearsed: Rehearsed) -> None:
    """No password or token is in any file of the records or on the terminal, in any of the four encodings."""
    secrets = {path.name: path.read_text().strip() for path in (rehearsed.practice.folder / "secrets").iterdir()}
    secrets |= {key: env_value(rehearsed, key) for key in ("METRICS_TOKEN", "POSTGRES_PASSWORD", "USER_TOKEN")}
    assert len(secrets) >= 6
    written = {
        str(path): path.read_bytes().decode(errors="replace") for path in rehearsed.reports.rglob("*") if path.is_file()
    }
    assert len(written) >= 6
    written |= {"plan": rehearsed.plan.terminal, "rollback": rehearsed.rollback.terminal}
    for name, secret in secrets.items():
        for form in encodings(secret):
            assert [place for place, text in written.items() if form in text] == [], f"{name} leaked"


def test_repeated_run_does_nothing(rehearsed: Rehearsed) -> None:
    """Repeated after the rollback, with or without the target's name, it changes nothing, and says what it found."""
    before, told = rehearsed.ids(), announcements(rehearsed)
    named = rehearsed.run("--to", TARGET, "--execute", rehearsed.practice.name)
    plain = rehearsed.run("--execute", rehearsed.practice.name)
    assert (named.exit_code, plain.exit_code) == (0, 1)
    assert "NOTHING TO DO: no changes were made to production" in named.terminal
    assert "already runs and serves traffic, and no rollback is open" in " ".join(named.terminal.split())
    assert "is itself the target of incident" in " ".join(plain.terminal.split())
    assert rehearsed.ids() == before
    assert ["is held as it is" in json.dumps(message) for message in announcements(rehearsed)[len(told) :]] == [True]
    assert not [e for ran in (named, plain) for e in ran.of_kind("action") if e["state"] == "begun"]


def test_post_deploy_refuses_the_quarantined_release(rehearsed: Rehearsed) -> None:
    """When CI deploys the failed tag again, post-deploy validation fails and names the incident in which it failed."""
    rehearsed.practice.deploy(FAILED)
    validation = rehearsed.run("-m", "post_deploy")
    assert validation.exit_code == 1
    assert "quarantine" in validation.terminal
    assert f"{FAILED} failed in incident" in validation.terminal
    rolled_back = rehearsed.run("--execute", rehearsed.practice.name)
    assert rolled_back.exit_code == 0, rolled_back.terminal
    assert rehearsed.practice.ask("/orders").headers["X-Release"] == TARGET
