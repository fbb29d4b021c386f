"""Both ways to switch on a real engine: requests wait instead of failing, and both reach the same final state."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.engine import same_end
from tests.engine.conftest import Rehearsed, docker, running, state
from tests.engine.judging import told
from tests.engine.kill_campaign import INCIDENT, Campaign
from tests.engine.killer import VARIABLE
from tests.engine.meddler import VARIABLE as MEDDLE
from tests.support.open_loop import OpenLoop

#: The failed release answers only the first of these with 500: it fails one request in ten.
PATHS = ("/orders", *("/healthz",) * 9)


@pytest.fixture(scope="module")
def kills(broken: Rehearsed) -> Campaign:
    """The shop, reset to the beginning of the incident. The run without a kill has switched beside."""
    return Campaign(broken, seed=1)


@pytest.fixture
def fresh(kills: Campaign, broken: Rehearsed) -> Iterator[Rehearsed]:
    """The shop at the beginning of the incident, reset there afterwards."""
    kills.reset()
    yield broken
    docker("exec", f"{broken.practice.name}-gateway-1", "gate", "open")


def execute(here: Rehearsed, *options: str) -> tuple[str, ...]:
    return (*options, "--execute", here.practice.name)


@pytest.mark.parametrize(
    ("options", "way"), [pytest.param((), "beside"), pytest.param(("--close-gate-first",), "behind-closed-gate")]
)
def test_switch_adds_no_failure(fresh: Rehearsed, options: tuple[str, ...], way: str) -> None:
    """Under 50 requests per second the switch adds no failure: only the failed release's own errors remain."""
    with OpenLoop(fresh.practice.gateway_url, PATHS, patience=25).asking() as load:
        ran = fresh.run(*execute(fresh, *options))
    assert ran.exit_code == 0, ran.terminal
    decided = next(entry for entry in ran.of_kind("decision") if entry["question"] == "switch")
    assert decided["answer"] == way, decided
    assert [e["to"] for e in ran.of_kind("action") if e.get("to") in ("held", "closed") and e["state"] == "done"] == [
        "held"
    ]
    assert not load.refused_early()
    seen = Counter((each.path, each.status, each.release) for each in load.answers if each.status != 503)
    assert seen.keys() <= {
        ("/orders", 500, INCIDENT.failed),
        ("/orders", 200, INCIDENT.live),
        ("/healthz", 200, INCIDENT.failed),
        ("/healthz", 200, INCIDENT.live),
    }, seen
    assert min(seen.values()) > 1, seen
    print(f"{way}: slowest of {len(load.answers)}: {max(each.seconds for each in load.answers):.2f} s")  # noqa: T201


def test_held_gate_is_proved(fresh: Rehearsed) -> None:
    """The held gate is proved by its state and by an unanswered request, before the switch and before users return."""
    ran = fresh.run(*execute(fresh, "--close-gate-first"))
    assert ran.exit_code == 0, ran.terminal
    seen = [e["seen"] for e in ran.of_kind("check") if e["state"] == "so" and "paused at the public" in e["expected"]]
    assert len(seen) == 2
    assert all(each.endswith("holds requests; the gate is held") for each in seen), seen


@pytest.mark.parametrize(
    ("options", "step", "headline"),
    [
        pytest.param((), "every container of the target stays healthy", "Stopped at", id="beside"),
        pytest.param(
            ("--close-gate-first",),
            "every api and jobs container stays healthy",
            "Rolled back, but a step failed",
            id="behind-closed-gate",
        ),
    ],
)
def test_container_that_does_not_stay_healthy_is_met_by_users(
    fresh: Rehearsed, options: tuple[str, ...], step: str, headline: str
) -> None:
    """If a container fails after the gate opened, the run fails, says that traffic is open, and can be resumed."""
    jobs = f"{fresh.practice.name}-jobs-1"
    moment = json.dumps(["the public address serves the target", ["docker", "stop", "--time", "0", jobs]])
    ran = fresh.run(*execute(fresh, "-p", "tests.engine.meddler", *options), environment={MEDDLE: moment})
    assert ran.exit_code == 1, ran.terminal
    assert ran.folder is not None
    told = " ".join(ran.terminal.split())
    assert f"Then {step}" in told
    assert "users are affected: traffic is open" in told
    assert "gate open (traffic is served)" in told
    assert headline in (ran.folder / "record.html").read_text().partition("</header>")[0]
    assert "--abandon" not in told, "nothing of the failed release serves any more"
    docker("start", jobs)
    turned = len(ran.of_kind("action"))
    finished = fresh.run(*execute(fresh, "--resume", ran.folder.name))
    assert finished.exit_code == 0, finished.terminal
    again = [e for e in ran.of_kind("action")[turned:] if "traffic" in e["action"]]
    assert {e["state"] for e in again} <= {"already so"}, again


def test_end_is_that_behind_the_gate(kills: Campaign, fresh: Rehearsed) -> None:
    """Containers, names, env file, notes and messages are the same, whichever way the release was switched."""
    beside = kills.undisturbed.end
    kills.reset()  # unless an earlier test needed it, that run has just taken place
    expected = beside | {"others": same_end.others(fresh)}
    ran = fresh.run(*execute(fresh, "--close-gate-first"))
    assert ran.exit_code == 0, ran.terminal
    decided = next(entry for entry in ran.of_kind("decision") if entry["question"] == "switch")
    assert (decided["answer"], decided["by_human"]) == ("behind-closed-gate", True)
    assert ran.folder is not None
    assert same_end.differences(expected, same_end.end_of(fresh, ran.folder.name)) == []


@pytest.mark.parametrize(
    "moment",
    ["middle:started beside the failed release:0.5", "began:/readyz answers at every api", "last:user traffic is held"],
)
def test_abandoned_it_leaves_the_failed_release_as_it_was(fresh: Rehearsed, moment: str) -> None:
    """Only the target's containers are removed: the env file is the same byte for byte, the api keeps its container."""
    before = state(fresh)
    killed = fresh.run("-p", "tests.engine.killer", *execute(fresh), environment={VARIABLE: moment})
    assert killed.exit_code == -9, killed.terminal
    assert killed.folder is not None
    incident = killed.folder.name
    ran = fresh.run(*execute(fresh, "--abandon", "--resume", incident))
    assert ran.exit_code == 0, ran.terminal
    after = state(fresh)
    assert after["env file"][0] == before["env file"][0]  # type: ignore[index]
    assert after["gate"] == "open"
    assert after["containers"].keys() == before["containers"].keys()  # type: ignore[attr-defined]
    kept = {container: id_ for container, id_ in before["containers"].items() if "-jobs-" not in container}  # type: ignore[attr-defined]
    assert kept.items() <= after["containers"].items()  # type: ignore[attr-defined]
    assert (running(fresh, "api"), running(fresh, "jobs")) == (INCIDENT.failed, INCIDENT.failed)
    assert not (fresh.practice.server / ".runbook/open_incident.json").exists()
    refused = fresh.run(*execute(fresh, "--resume", incident))
    assert refused.exit_code == 4
    assert "has ended: " in refused.terminal
    assert same_end.announcements(fresh, incident) == 1
    announced, _ = told(fresh)
    assert f"the switch to {INCIDENT.live} was abandoned, {INCIDENT.failed} keeps running" in announced
    assert f"{INCIDENT.failed} stays in quarantine" in announced
    log = (fresh.practice.folder / "incidents.md").read_text()
    assert log.count(f"<!-- rollback-runbook {incident} abandon -->") == 1
    fresh.practice.engine.compose(fresh.practice.server, "up", "--detach")
    assert fresh.ids() == after["containers"], "nothing is left to be changed"
