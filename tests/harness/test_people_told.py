"""People are told at the turns of an execution: beside the work, once, and without any effect on the run."""

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
    """Go on with the incident of the one record that is there."""
    (folder,) = runbook.records
    ran = runbook.run("features", "--resume", folder.name, "--execute", "shop")
    return Ran(ran.exit_code, ran.terminal, folder)


def test_held_run_is_told(runbook: Runbook, channel: Server) -> None:
    """One that changed nothing is held: where, why, and what to type; nobody hears of a start."""
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
    """Start and failure are told once each, however often the incident comes to the same step."""
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
    """Ctrl-C in the middle of a change: people read what goes on, and what leads on."""
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
    """Requests waited for some seconds: people hear that users are served again of a rollback alone."""
    runbook.steps("@when('users go on')\ndef users_go_on(context) -> Action:\n    return context.gate.resume()\n")
    steps = ("When a file is made", "And users go on", "Then all is not well")
    runbook.feature("1.feature", scenario("Leak", *steps, tags="@emergency"), scenario("Back", *steps))
    for options, told_of in (((), 1), (("-m", "emergency"), 0)):
        channel.asked.clear()
        ran = runbook.run("features", *options, "--execute", "shop")
        assert ran.ending == "failed"
        assert sum("traffic is resumed" in title for title in titles(channel)) == told_of


def test_decision_that_is_needed_is_told(runbook: Runbook, channel: Server) -> None:
    """With the option that decides it."""
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
    """Nor does a run of which the settings want nothing told."""
    runbook.feature("1.feature", CHANGE, HELD)
    assert told(runbook.run("features")) == []
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace('/announce" }', '/announce" }\nturns = ["interrupted"]'))
    assert told(runbook.run("features", "--execute", "shop")) == []
    assert channel.asked == []


def test_templates_lie_beside_the_settings(runbook: Runbook, channel: Server) -> None:
    """Wherever the run is started; a secret in what they say is struck out."""
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
    """From its beginning to the end of its last step."""
    return seconds_between(ran.entries("opened")[0]["time"], ran.entries("step ended")[-1]["time"])


@pytest.mark.usefixtures("channel")
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "refuses"])
def test_channel_that_is_down_changes_neither_outcome_nor_duration(runbook: Runbook, *, hangs: bool) -> None:
    """What people were to be told is in the record, with the reason, and on the page."""
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
    assert "NOT told" in ran.page
    assert "shop: the rollback failed" in ran.page
