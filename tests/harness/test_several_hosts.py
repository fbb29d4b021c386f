"""Several hosts of one project: checked together, changed one after the other, stopped and resumed at one."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.journal.of_host import entries_of
from tests.harness.inner import Ran, Runbook, scenario
from tests.support.ssh_server import needs_sshd, ssh_server

pytestmark = needs_sshd

HOSTS = ("shop-1", "shop-2", "shop-3")
LOOKED = scenario("Looked", "Given something to begin with", tags="@all_hosts @provides:looked")
MADE = scenario("Made", "When a file is made", "Then it is well there", tags="@needs:looked @provides:made")
PROVED = scenario("Proved", "Then all is well", tags="@needs:made @provides:proved")
TOLD = scenario("Told", "When a message is sent", "Then all is well", tags="@all_hosts @needs:proved @provides:told")
_STEP = """
@then("it is well there")
def well_there(context):
    bad = context.host.run(Command(("test", "-e", "bad"), 10, context.production.directory)).exit_code == 0
    return expectation(lambda: Observation(ok=not bad, seen="it is bad" if bad else "it is well"))
"""


@pytest.fixture
def fleet(runbook: Runbook, tmp_path: Path) -> Iterator[Runbook]:
    """The project on three hosts: three folders of this machine, reached over SSH by three names."""
    with ssh_server(tmp_path / "ssh") as server:
        alone = server.config.read_text()
        server.config.write_text("".join(alone.replace("Host shop-1", f"Host {name}") for name in HOSTS))
        for name in HOSTS:
            shutil.copytree(runbook.server, folder(runbook, name))
        environment = {"DOCKER_HOST": runbook.engine.url, "PATH": runbook.search_path}
        containers = json.loads((runbook.folder / "containers.json").read_text())
        for each in containers:
            # Every host answers with these containers, so the label with the folder cannot be right for all.
            del each["Config"]["Labels"]["com.docker.compose.project.working_dir"]
        (runbook.folder / "containers.json").write_text(json.dumps(containers))
        settings = (runbook.folder / "runbook.toml").read_text()
        # Not 127.0.0.1, which is refused with SSH hosts. 0.0.0.0 refuses connections at once as well.
        settings = settings.replace("http://127.0.0.1:1", "http://0.0.0.0:1").replace('name = "shop"\n\n[tr', _EACH)
        hosts = "".join(f'  {{ address = "ssh://{name}", directory = "{folder(runbook, name)}" }},\n' for name in HOSTS)
        there = "".join(f"{name} = {json.dumps(value)}\n" for name, value in environment.items())
        (runbook.folder / "runbook.toml").write_text(
            f"hosts = [\n{hosts}]\n{settings}\n[host]\nssh_config = {json.dumps(str(server.config))}\n"
            f"[host.environment]\n{there}"
        )
        runbook.steps(_STEP).feature("1.feature", LOOKED).feature("2.feature", MADE, PROVED).feature("3.feature", TOLD)
        yield runbook


_EACH = 'name = "shop"\nhosts = "each"\n\n[tr'


def folder(runbook: Runbook, host: str) -> Path:
    return runbook.folder / host


def begun(ran: Ran) -> list[tuple[str, str]]:
    """Return host and action of each change that was begun."""
    return [(entry["on"], entry["action"]) for entry in ran.entries("action") if entry["state"] == "begun"]


def test_one_host_is_done_with_before_the_next_begins(fleet: Runbook) -> None:
    """All hosts are checked first, then each host is changed and proved in turn, then people are told once."""
    ran = fleet.run("features", "--execute", "shop")
    assert ran.exit_code == 0, ran.terminal
    each = [f"{name}[{host}]" for host in HOSTS for name in ("Made", "Proved")]
    assert list(ran.scenarios) == ["Looked", *each, "Told"]
    assert begun(ran) == [*((host, "bring_up") for host in HOSTS), ("shop-1", "open_ticket")]
    assert [entry["on"] for entry in ran.entries("fact") if entry["name"] == "schema"] == list(HOSTS)
    assert all((folder(fleet, host) / "made").exists() for host in HOSTS)
    closed = ran.entries("closed")[0]
    assert {"made", "proved", "told"} <= set(closed["reached"])
    assert closed["changes_made"] == [f"{host}: a file is made" for host in HOSTS]
    opened = ran.entries("opened")[0]
    assert [each["name"] for each in opened["hosts"]] == list(HOSTS)
    assert all(each["lock"]["holder"]["incident"] == opened["incident"] for each in opened["hosts"])
    assert {entry["on"] for entry in entries_of(ran.journal, "shop-2") if "on" in entry} == {"shop-2"}
    ids = [entry["id"] for entry in ran.entries("step began")]
    assert ids[:2] == ["1.1.1", "2.1.1@shop-1"]
    assert ids[-1] == "3.1.2"


def test_it_stops_at_the_first_host_that_fails_and_goes_on_there(fleet: Runbook) -> None:
    """Hosts after a failed one are left unchanged; the resumed run finishes them and tells people once."""
    (folder(fleet, "shop-2") / "bad").touch()
    stopped = fleet.run("features", "--execute", "shop")
    assert stopped.exit_code == 1, stopped.terminal
    assert begun(stopped) == [("shop-1", "bring_up"), ("shop-2", "bring_up")]
    assert not (folder(fleet, "shop-3") / "made").exists()
    outcomes = stopped.scenarios
    assert (outcomes["Made[shop-1]"], outcomes["Made[shop-2]"]) == ("passed", "failed")
    left_out = {entry["scenario"]: entry["reason"] for entry in stopped.entries("scenario left out")}
    assert left_out["Made[shop-3]"] == "is for shop-3, and shop-2, which comes before it, is not finished"
    assert "Told" in left_out
    assert "2.1.2@shop-2" in stopped.terminal
    # All locks are released.
    assert not any((folder(fleet, host) / ".runbook" / "lock").exists() for host in HOSTS)

    (folder(fleet, "shop-2") / "bad").unlink()
    assert stopped.folder is not None
    again = fleet.run("features", "--resume", stopped.folder.name, "--execute", "shop")
    again.folder = stopped.folder
    assert again.exit_code == 0, again.terminal
    assert all((folder(fleet, host) / "made").exists() for host in HOSTS)
    assert begun(again)[-2:] == [("shop-3", "bring_up"), ("shop-1", "open_ticket")]
    assert again.ending == "passed"
    for host in HOSTS:
        assert f"{host}: " in again.page


def test_only_the_hosts_that_are_named_are_meant(fleet: Runbook) -> None:
    """`--hosts` limits the run to these hosts; an unknown one is refused with the list of known hosts."""
    ran = fleet.run("features", "--hosts", "shop-3,shop-1", "--execute", "shop")
    assert ran.exit_code == 0, ran.terminal
    assert begun(ran)[:2] == [("shop-1", "bring_up"), ("shop-3", "bring_up")]
    assert ran.entries("opened")[0]["asked_for"]["hosts"] == ["shop-3", "shop-1"]
    assert not (folder(fleet, "shop-2") / "made").exists()
    refused = fleet.run("features", "--hosts", "shop-9")
    assert refused.exit_code == 4
    assert "--hosts shop-9, but the settings have shop-1, shop-2, shop-3" in refused.terminal


def test_plan_of_all_hosts_is_one_plan(fleet: Runbook) -> None:
    """A plan checks all hosts, changes none, and shows the planned changes of each."""
    ran = fleet.run("features", "-v")
    assert ran.exit_code == 0, ran.terminal
    assert not any((folder(fleet, host) / "made").exists() for host in HOSTS)
    planned = [(entry["on"], entry["state"]) for entry in ran.entries("action")]
    assert planned == [*((host, "planned") for host in HOSTS), ("shop-1", "planned")]
    assert "shop-1, then shop-2, then shop-3:" in ran.terminal


_SHARED_STEPS = """
def touched(context, name, action):
    def already():
        there = context.host.run(Command(("test", "-e", name), 10, context.production.directory)).exit_code == 0
        return f"{name} is there" if there else None

    return Action(action, name, (Command(("touch", name), 10, context.production.directory),), already)


@given("the schema must go back")
def must_go_back(context):
    context.incident.record_fact("strategy", "downgrade")


@when("the gate is shut")
def shut(context) -> Action:
    return touched(context, "shut", ActionName.PAUSE_TRAFFIC)


@then("it is shut there")
def is_shut(context):
    there = context.host.run(Command(("test", "-e", "shut"), 10, context.production.directory)).exit_code == 0
    return expectation(lambda: Observation(ok=there, seen="shut" if there else "open"))


@when("all is stopped")
def stopped(context) -> Action:
    return touched(context, "stopped", ActionName.STOP_APPLICATION)


@when("the schema goes back")
def goes_back(context) -> Action:
    return touched(context, "../back", ActionName.DOWNGRADE)
"""


def test_a_schema_that_all_share_changes_once_behind_all_closed_gates(fleet: Runbook) -> None:
    """A shared schema is changed once, after traffic is paused and the application stopped on every host."""
    settings = fleet.folder / "runbook.toml"
    shared = 'url = { env = "DATABASE" }\nhosts = "shared"\n'
    text = settings.read_text().replace('user = "shop"\nname = "shop"\nhosts = "each"\n', shared)
    settings.write_text(text)
    looked = scenario("Looked", "Given the schema must go back", tags="@all_hosts @provides:looked")
    paused = scenario(
        "Paused", "When the gate is shut", "Then it is shut there", tags="@before_schema @needs:looked @provides:paused"
    )
    changed = scenario(
        "Changed", "When all is stopped", "And the schema goes back", tags="@needs:paused @provides:made"
    )
    fleet.steps(_SHARED_STEPS).feature("1.feature", looked).feature("2.feature", paused, changed)
    (fleet.folder / "features" / "3.feature").unlink()
    environment = {"DATABASE": "postgresql://shop:a-password@127.0.0.1:1/shop"}
    ran = fleet.run("features", "--execute", "shop", environment=environment)
    assert ran.exit_code == 0, ran.terminal
    assert begun(ran) == [
        *((host, "pause_traffic") for host in HOSTS),
        *((host, "stop_application") for host in HOSTS),
        ("shop-1", "downgrade"),
    ]
    checks = [entry["on"] for entry in ran.entries("check") if entry["expected"] == "all well"]
    assert checks == [*HOSTS, "shop-2", "shop-3"], "the gates of all are seen closed before the schema changes"
