"""Messages to people at the turns of an execution: sent beside the run, once each, without effect on it."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from runbook.clock import seconds_between
from tests.harness.inner import Ran, Runbook, scenario
from tests.support.parts import Reply, Server, serving

CHANGE = scenario("Change", "When a file is made")
HELD = scenario("Held", "Given something to begin with", "Then all is not well")
LONG = scenario("Long", "When a long command is run")


RESTORE = {
    "path": "/srv/shop/good.dump",
    "sha256": "cd" * 32,
    "size": 815,
    "made": "2025-12-17 03:00:00 UTC",
    "database": "shop",
    "kept_as": "shop_before",
    "revisions": ["r1"],
    "start": "docker compose up",
    "remove": "psql --command 'DROP DATABASE shop_before'",
}
RESTORING = f"""
RESTORE = {RESTORE!r}


@given("a dump to restore")
def dump_to_restore(context):
    context.incident.record_fact("to restore", RESTORE)


@then("it has taken the live database's place")
def restored(context):
    from runbook.actions import recorded

    def look():
        rows = [{{"table": "orders", "restored": 2, "before": 4}}]
        context.incident.record_fact("restored", RESTORE | {{"rows": rows}})
        return "it has"

    return recorded("the rows", look, afterwards=True)


@when("the restore is announced")
def restore_announced(context) -> Action:
    from runbook.chapters.people import telling

    return telling.announcing_restore(context)
"""
DUMP = ("-m", "restore", "--dump", "good.dump")
SWITCHING = """
@given("both releases")
def both_releases(context):
    context.incident.record_fact("origin", {"tags": ["v2"], "digests": {}, "log_errors": {}})
    context.incident.record_fact("target", {"tag": "v1", "images": {}, "digests": {}})


@when("traffic is let on")
def let_on(context) -> Action:
    return context.gate.resume()


@when("the abandoned switch is announced")
def abandoned_announced(context) -> Action:
    from runbook.chapters.people import telling

    return telling.announcing_abandoned(context)
"""


@pytest.fixture
def channel(runbook: Runbook) -> Iterator[Server]:
    """The incident channel of the runbook."""
    with serving(lambda _asked: Reply(200)) as server:
        (runbook.server / "announce").write_text(server.url.replace("http://", "json://"))
        yield server


def titles(channel: Server) -> list[str]:
    return [json.loads(asked.body)["title"] for asked in channel.asked]


def texts(channel: Server) -> str:
    return "\n".join(json.loads(asked.body)["message"] for asked in channel.asked)


def told(ran: Ran) -> list[tuple[str, str]]:
    return [(entry["turn"], entry["state"]) for entry in ran.entries("told")]


def resumed(runbook: Runbook) -> Ran:
    """Resume the incident of the only record."""
    (folder,) = runbook.records
    ran = runbook.run("features", "--resume", folder.name, "--execute", "shop")
    return Ran(ran.exit_code, ran.terminal, folder)


def test_held_run_is_told(runbook: Runbook, channel: Server) -> None:
    """A failed run that changed nothing sends one message: where and why it is held, and what to type."""
    runbook.feature("1.feature", HELD)
    ran = runbook.run("features", "--execute", "shop")
    assert ran.exit_code == 1
    assert titles(channel) == ["shop is held as it is"]
    assert "At: Then all is not well" in texts(channel)
    assert "nothing is well" in texts(channel)
    assert "pytest features" in texts(channel)
    assert told(ran) == [("held", "begun"), ("held", "done")]
    assert "shop is held as it is" in ran.page


def test_failed_run_is_told_and_not_again_when_it_is_gone_on_with(runbook: Runbook, channel: Server) -> None:
    """Start and failure are announced once each, also if the resumed incident fails again."""
    runbook.feature("1.feature", CHANGE, HELD)
    ran = runbook.run("features", "--execute", "shop")
    assert ran.ending == "failed"
    assert titles(channel) == ["shop: rolling back to an unknown release", "shop: the rollback failed"]
    assert "- a file is made" in texts(channel)
    assert "--resume" in texts(channel)
    again = resumed(runbook)
    assert again.ending == "failed"
    assert len(channel.asked) == 2
    assert len(again.entries("told")) == 4


def test_interrupted_run_is_told(runbook: Runbook, channel: Server) -> None:
    """After Ctrl-C during a change a message says that the rollback was interrupted and how to resume it."""
    pid = runbook.server / "pid"

    def interrupt(process: int) -> None:
        until = time.monotonic() + 30
        while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process, signal.SIGINT)

    runbook.feature("1.feature", LONG)
    ran = runbook.run("features", "--execute", "shop", meanwhile=interrupt)
    assert ran.ending == "interrupted"
    assert titles(channel)[-1] == "shop: the rollback was interrupted"
    assert "--resume" in texts(channel)
    assert told(ran)[-1] == ("interrupted", "done")


def test_traffic_that_an_emergency_lets_on_is_no_turn(runbook: Runbook, channel: Server) -> None:
    """Resumed traffic is announced for a rollback, but not for an emergency."""
    runbook.steps("@when('users go on')\ndef users_go_on(context) -> Action:\n    return context.gate.resume()\n")
    steps = ("When a file is made", "And users go on", "Then all is not well")
    runbook.feature("1.feature", scenario("Leak", *steps, tags="@emergency"), scenario("Back", *steps))
    for options, told_of in (((), 1), (("-m", "emergency"), 0)):
        channel.asked.clear()
        ran = runbook.run("features", *options, "--execute", "shop")
        assert ran.ending == "failed"
        assert sum("traffic is resumed" in title for title in titles(channel)) == told_of


def test_decision_that_is_needed_is_told(runbook: Runbook, channel: Server) -> None:
    """A needed decision is announced with the option that decides it."""
    runbook.steps(
        "@then('somebody decides')\n"
        "def decided(context):\n"
        "    undecided = expectation(lambda: Observation(ok=False, seen='two rows would be lost'))\n"
        "    import dataclasses\n"
        "    return dataclasses.replace(undecided, decided_by=('--accept-loss', 'r2'))"
    )
    runbook.feature("1.feature", scenario("Decide", "Given something to begin with", "Then somebody decides"))
    ran = runbook.run("features", "--execute", "shop")
    assert ran.exit_code == 1
    assert titles(channel) == ["shop: a decision is needed"]
    assert "two rows would be lost" in texts(channel)
    assert "--accept-loss r2" in texts(channel)


def test_plan_and_validation_tell_nobody(runbook: Runbook, channel: Server) -> None:
    """A plan and a validation send no messages, and neither does an execution whose turns the settings leave out."""
    runbook.feature("1.feature", CHANGE, HELD)
    runbook.feature("5.feature", scenario("Validated", "Then all is not well", tags="@post_deploy"))
    assert told(runbook.run("features")) == []
    assert told(runbook.run("features", "-m", "post_deploy")) == []
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace('/announce" }', '/announce" }\nturns = ["interrupted"]'))
    assert told(runbook.run("features", "--execute", "shop")) == []
    assert channel.asked == []


def test_templates_lie_beside_the_settings(runbook: Runbook, channel: Server) -> None:
    """Message templates are found relative to the settings, and secrets in messages are redacted."""
    (runbook.folder / "ours").mkdir()
    (runbook.folder / "ours" / "held.jinja").write_text("@here held\n{{ stopped.why }}")
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace('/announce" }', '/announce" }\ntemplates = "ours"'))
    runbook.feature("1.feature", scenario("Secret", "Given something to begin with", "Then a secret fails"))
    runbook.run("features", "--execute", "shop")
    assert titles(channel) == ["@here held"]
    assert "login with [secret" in texts(channel)
    assert "canary" not in texts(channel)


def seconds_at_work(ran: Ran) -> float:
    """Return the seconds from the run's start to the end of its last step."""
    return seconds_between(ran.entries("opened")[0]["time"], ran.entries("step ended")[-1]["time"])


@pytest.mark.usefixtures("channel")
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "refuses"])
def test_channel_that_is_down_changes_neither_outcome_nor_duration(runbook: Runbook, *, hangs: bool) -> None:
    """If the channel is down, the run ends as usual, and the unsent messages are recorded and shown on the page."""
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace("no_answer = 0.1", "no_answer = 0.1\nhttp = 1"))
    runbook.feature("1.feature", CHANGE, HELD)
    usual = runbook.run("features", "--execute", "shop")
    assert told(usual)[-1] == ("failed", "done")
    (runbook.server / "made").unlink()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if hangs else 1
        (runbook.server / "announce").write_text(f"json://127.0.0.1:{port}/")
        ran = runbook.run("features", "--execute", "shop")
    assert (ran.exit_code, ran.ending, ran.scenarios) == (usual.exit_code, usual.ending, usual.scenarios)
    assert seconds_at_work(ran) < seconds_at_work(usual) + 0.9
    waited = seconds_between(ran.entries("step ended")[-1]["time"], ran.entries("closed")[0]["time"])
    assert waited < 10
    assert sorted(told(ran)) == [(turn, state) for turn in ("failed", "started") for state in ("begun", "failed")]
    assert "NOT sent at" in ran.page
    assert "shop: the rollback failed" in ran.page


def restoring(runbook: Runbook, *last: str) -> None:
    runbook.steps(RESTORING)
    steps = ("Given a dump to restore", "When a file is made", "Then it has taken the live database's place")
    runbook.feature("6.feature", scenario("Restored", *steps, tags="@restore @provides:restored"), *last)


ANNOUNCED = scenario(
    "Announced", "Given something to begin with", "When the restore is announced", tags="@restore @needs:restored"
)


def test_restore_is_told(runbook: Runbook, channel: Server) -> None:
    """Start and end of a restore are announced with the data that will be missing; its plan sends nothing."""
    restoring(runbook, ANNOUNCED)
    plan = runbook.run("features", *DUMP)
    assert plan.exit_code == 0, plan.terminal
    assert channel.asked == []
    assert "shop: restored from a dump of 2025-12-17 03:00:00 UTC" in plan.page
    ran = runbook.run("features", *DUMP, "--execute", "shop")
    assert ran.exit_code == 0, ran.terminal
    assert titles(channel) == [
        "shop: a dump is being restored",
        "shop: restored from a dump of 2025-12-17 03:00:00 UTC; data written since then is not in it",
    ]
    assert "everything written since then will be only in the kept database shop_before" in texts(channel)
    assert "Rows: orders 2, before 4; the same in 0 tables." in texts(channel)
    assert "unknown release" not in texts(channel)
    assert told(ran) == [("started", "begun"), ("started", "done")]


def test_restore_that_failed_is_told_once(runbook: Runbook, channel: Server) -> None:
    """A failed restore is announced once, with the command that resumes it as a restore."""
    restoring(runbook, scenario("Bad", "Then all is not well", tags="@restore"))
    steps = runbook.folder / "features" / "6.feature"
    steps.write_text(steps.read_text().replace("    Then it has taken the live database's place\n", ""))
    ran = runbook.run("features", *DUMP, "--execute", "shop")
    assert ran.ending == "failed"
    assert titles(channel) == ["shop: a dump is being restored", "shop: the restore failed"]
    assert ran.folder is not None
    resume = ("-m", "restore", "--resume", ran.folder.name, "--execute", "shop")
    assert " ".join(resume) in texts(channel)
    assert runbook.run("features", *resume).exit_code == 1
    assert len(channel.asked) == 2


def test_restore_of_which_people_could_not_be_told(runbook: Runbook) -> None:
    """If the announcement fails, the last lines say how to start the application, then how to resume and announce."""
    restoring(runbook, ANNOUNCED)
    containers = runbook.folder / "containers.json"
    (stopped,), (database,) = (json.loads(containers.read_text()) for _ in range(2))
    stopped["State"] |= {"Status": "exited", "Running": False}
    database |= {"Id": "d" * 64, "Name": "/shop-db-1"}
    database["Config"]["Labels"]["com.docker.compose.service"] = "db"
    containers.write_text(json.dumps([stopped, database]))
    ran = runbook.run("features", *DUMP, "--execute", "shop")
    assert ran.exit_code == 1
    assert ran.folder is not None
    start, resume = "  docker compose up", f"--resume {ran.folder.name} --execute shop"
    assert ran.terminal.index(f"{start}\n") < ran.terminal.rindex(resume)
    with serving(lambda _asked: Reply(200)) as server:
        (runbook.server / "announce").write_text(server.url.replace("http://", "json://"))
        again = runbook.run("features", "-m", "restore", "--resume", ran.folder.name, "--execute", "shop")
    assert again.exit_code == 0, again.terminal
    assert titles(server)[-1].startswith("shop: restored from a dump of")


@pytest.mark.parametrize("gate", ["open", "closed"])
def test_abandoned_switch_is_told(runbook: Runbook, channel: Server, gate: str) -> None:
    """Abandoning a failed rollback's switch is announced once; resumed traffic only if the gate was closed."""
    settings, state = runbook.folder / "runbook.toml", runbook.server / "gate"
    state.write_text(gate)
    shown, opened = f'state = {{ command = ["cat", "{state}"] }}', f'["sh", "-c", "echo open > {state}"]'
    settings.write_text(
        settings.read_text()
        .replace('state = { command = ["echo", "open"] }', shown)
        .replace('resume = { command = ["true"] }', f"resume = {{ command = {opened} }}")
    )
    runbook.steps(SWITCHING)
    goes_on = ("Given something to begin with", "When a file is made", "And traffic is let on")
    announced = scenario("Announced", *goes_on, "And the abandoned switch is announced", tags="@abandon")
    runbook.feature("1.feature", scenario("Switch", "Given both releases", "When a file is made"), HELD, announced)
    ran = runbook.run("features", "--execute", "shop")
    assert ran.ending == "failed"
    channel.asked.clear()
    address = (runbook.server / "announce").read_text()
    (runbook.server / "announce").write_text("json://127.0.0.1:1/")
    assert ran.folder is not None
    abandon = ("--abandon", "--resume", ran.folder.name, "--execute", "shop")
    for reachable in (False, True):
        if reachable:
            (runbook.server / "announce").write_text(address)
        again = runbook.run("features", *abandon)
        assert (again.exit_code == 0) is reachable, again.terminal
        assert again.lines[0] == "ABANDONING THE SWITCH of shop — CHANGES this production"
    assert titles(channel) == [
        "shop: the switch to v1 is being abandoned",
        "shop: the switch to v1 was abandoned, v2 keeps running",
    ]
    assert "v2 stays in quarantine" in texts(channel)
    entries = Ran(0, "", ran.folder).entries("told")
    resumed = [entry["text"] for entry in entries if entry["turn"] == "traffic_resumed" and entry["state"] == "begun"]
    assert [text.splitlines()[0] for text in resumed] == (["Users reach v2 again."] if gate == "closed" else [])


def test_rollback_behind_an_abandoned_switch_is_told_again(runbook: Runbook, channel: Server) -> None:
    """Each change between rollback and abandoning is announced, and within each of them nothing twice."""
    runbook.steps(SWITCHING)
    switch = scenario("Switch", "Given both releases", "When a file is made")
    back = scenario("Back", "When a file is made", "Then all is not well", tags="@abandon")
    runbook.feature("1.feature", switch, HELD, back)
    folder = runbook.run("features", "--execute", "shop").folder
    assert folder is not None
    for way in ((), ("--abandon",), ("--abandon",), ()):
        assert runbook.run("features", *way, "--resume", folder.name, "--execute", "shop").exit_code == 1
    rollback = ["shop: rolling back to v1", "shop: the rollback failed"]
    abandoning = ["shop: the switch to v1 is being abandoned", "shop: abandoning the switch failed"]
    assert titles(channel) == [*rollback, *abandoning, *rollback]
