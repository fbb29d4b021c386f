"""The last lines: the changes made, the state of production, and the next command."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.options import Run
from harness.session.run import Ending
from harness.session.summary import last_lines
from runbook.actions import Outcome
from runbook.incident.executor import Mode
from runbook.incident.facts import Facts
from runbook.incident.options import Options
from runbook.settings.loading.loader import load
from tests.support.parts import SETTINGS
from tests.support.telling import about, snapshot

STATES = ((2, "running"), (1, "created"))


@dataclass
class Ended:
    """The parts of an incident that the last lines read."""

    told: dict[str, Any] = field(default_factory=dict)
    changes_made: list[str] = field(default_factory=list)
    vouched: dict[str, Any] = field(default_factory=dict)
    not_configured: dict[Any, int] = field(default_factory=dict)
    mode: Mode = Mode.EXECUTE
    journal: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(entries=[]))

    @property
    def facts(self) -> Facts:
        return Facts.model_validate(self.told)


def lines(folder: Path, ending: str, ended: Ended, lock: str = "released", **more: Any) -> str:
    """Return the last lines of a run that ended like this, as one text. `more` sets further fields of the run."""
    (folder / "runbook.toml").write_text(SETTINGS)
    usual: dict[str, Any] = {
        "kind": "rollback",
        "options": Options(),
        "settings_given": None,
        "reports_given": None,
        "earlier": None,
        "mark": "",
    }
    run = Run(
        settings=load(folder / "runbook.toml"),
        mode=Mode.EXECUTE,
        incident="i-1",
        folder=folder,
        started_in=folder,
        features=("features",),
        **(usual | more),
    )
    closed = {"kind": "closed", "outcome": ending, "changes_made": ended.changes_made, "remaining": []}
    opened = {
        "time": "2026-01-01T03:00:00.000000Z",
        "kind": "opened",
        "incident": run.incident,
        "project": run.settings.project.name,
        "mode": ended.mode,
        "type": run.kind,
        "asked_for": asdict(run.options),
        "typed": run.typed,
    }
    facts = [{"kind": "fact", "name": name, "value": value} for name, value in ended.told.items()]
    ended.journal.entries = [opened, *facts, *ended.journal.entries, closed | {"time": opened["time"]}]
    conduct = SimpleNamespace(
        run=run,
        incident=ended,
        journal=ended.journal,
        hosts=(SimpleNamespace(name="", incident=ended),),
        changes_made=ended.changes_made,
        not_configured=ended.not_configured,
        outcome=Outcome(ending),
        ending=Ending(Outcome(ending)),
        is_part=False,
        locks=SimpleNamespace(state=lock),
        planned_only=None,
    )
    return "\n".join(last_lines(conduct))  # type: ignore[arg-type]


def after(**more: Any) -> dict[str, Any]:
    return {"after": snapshot("running", "v1", gate="open", schema=["c3"]) | more, "target": {"tag": "v1"}}


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        pytest.param([], "PASSED: no changes were made to production", id="none"),
        pytest.param(["a"], "PASSED: 1 change was made to production\n  - a", id="one"),
        pytest.param(["a", "b"], "PASSED: 2 changes were made to production\n  - a\n  - b", id="two"),
    ],
)
def test_changes_are_counted_and_named(tmp_path: Path, changes: list[str], counted: str) -> None:
    """The first line gives the outcome and the number of changes; each change is named."""
    assert lines(tmp_path, "passed", Ended(after(), changes)).startswith(counted)


def test_plan_says_how_to_carry_it_out(tmp_path: Path) -> None:
    """A plan ends with the command that carries exactly this plan out, target and settings included."""
    said = lines(
        tmp_path,
        "planned",
        Ended({"target": {"tag": "v1"}}, mode=Mode.PLAN),
        settings_given="/etc/shop/my runbook.toml",
    )
    assert said.endswith("features --settings '/etc/shop/my runbook.toml' --to v1 --execute shop")


def test_what_was_asked_for_is_asked_for_again(tmp_path: Path) -> None:
    """The next command repeats the options that were typed: an accepted loss, a verdict with its reason."""
    asked = Options(accept_loss="c3", verdict="additive", because="no one's rows")
    said = lines(tmp_path, "planned", Ended({"target": {"tag": "v1"}}, mode=Mode.PLAN), options=asked)
    assert "--to v1 --accept-loss c3 --verdict additive --because 'no one'\"'\"'s rows' --execute shop" in said


def test_emergency_goes_on_as_an_emergency(tmp_path: Path) -> None:
    """An unfinished emergency is resumed with -m emergency; its plan prints the command with --disable."""
    asked = Options(disable="exports")
    said = lines(
        tmp_path, "failed", Ended(after(), ["EXPORT_MODE=off"]), options=asked, kind="emergency", mark="emergency"
    )
    assert "features -m emergency --resume i-1 --execute shop" in said
    assert "--to" not in said
    planned = lines(tmp_path, "planned", Ended(mode=Mode.PLAN), options=asked, kind="emergency", mark="emergency")
    assert planned.endswith("features -m emergency --disable exports --execute shop")


@pytest.mark.parametrize("options", [[], ["--to", "v0"]])
def test_incident_that_can_never_be_gone_on_with_is_planned_anew(tmp_path: Path, options: list[str]) -> None:
    """If an incident cannot be resumed, a new plan is offered instead; only facts of the newest run count."""
    anew = {"why": "another release runs", "options": options}
    facts = after() | {"begin anew": anew}
    said = lines(tmp_path, "failed", Ended(facts, ["user traffic is paused"]), options=Options(verdict="additive"))
    assert "another release runs: this incident cannot be resumed; to plan another rollback, type:\n" in said
    assert said.endswith(" ".join(["/pytest features", *options]))
    under_way = {"incident": "i-0", "since": "2026-01-01T02:00:00.000000Z", "target": "v1", "recorded_here": True}
    planned = lines(tmp_path, "failed", Ended({"begin anew": anew, "open rollback": under_way}, mode=Mode.PLAN))
    assert planned.endswith(" ".join(["/pytest features", *options]))
    ended = Ended(facts, ["user traffic is paused"])
    ended.journal.entries = [{"kind": "resumed", "time": "2026-01-01T03:00:00.000000Z"}]
    assert lines(tmp_path, "failed", ended).endswith("--resume i-1 --execute shop")


@pytest.mark.parametrize("ending", ["failed", "interrupted"])
def test_broken_off_run_says_how_to_go_on(tmp_path: Path, ending: str) -> None:
    """A failed or interrupted run that changed something prints the command that resumes it."""
    said = lines(tmp_path, ending, Ended(after(), ["user traffic is paused"]), reports_given="/srv/records")
    assert "(what is done is not done twice), type:" in said
    assert "features --reports /srv/records --resume i-1 --execute shop" in said


def test_run_that_changed_nothing_says_what_production_is(tmp_path: Path) -> None:
    """A run that failed before any change shows the state of production and the command for a new plan."""
    said = lines(tmp_path, "failed", Ended({"before": snapshot("running", "v2", gate="open", schema=["x", "y"])}))
    assert "release   v2\n" in said
    assert "gate      open (traffic is served)\n" in said
    assert "schema    x, y\n" in said
    assert "nothing was changed; once the cause is fixed, plan again with:" in said
    assert "--resume" not in said
    assert "--execute" not in said


def test_failed_plan_is_made_again(tmp_path: Path) -> None:
    """A failed plan prints the command for a new plan, without the target."""
    before = {"before": snapshot("running", "v2", gate="closed")}
    said = lines(tmp_path, "failed", Ended(before, mode=Mode.PLAN), kind="plan", options=Options(target="v9"))
    assert said.endswith("/pytest features")  # without the target, which may not exist
    assert "traffic is paused: the gate was closed by someone unknown" in said


def test_digest_that_runs_is_shown(tmp_path: Path) -> None:
    """Each rolled-back service has a line with its running digest, shortened for comparison by eye."""
    digests = {"api": "sha256:" + "0123456789ab" * 5 + "0123"}
    said = lines(tmp_path, "failed", Ended(after(digests=digests), ["a"]))
    assert "api       sha256:0123456789ab running" in said


def test_old_and_new_containers_are_told_apart(tmp_path: Path) -> None:
    """After an interruption old and new containers are each shown with their release and digest."""
    old, new = ({"tag": f"v{n}", "digest": "sha256:" + str(n) * 64, "state": state} for n, state in STATES)
    one = snapshot("x", "v1")["containers"][0]
    found = after(tags=["v1", "v2"], containers=[one | new, one | old])
    said = lines(tmp_path, "interrupted", Ended(found, ["a"]))
    first, second = said.index("api       v2 sha256:222222222222 running"), said.index("v1 sha256:111111111111 created")
    assert first < second


def test_change_that_was_not_finished_is_not_called_made(tmp_path: Path) -> None:
    """A change without an end is not finished and may still be running; one that ended later counts as made."""
    ended = Ended(after(at="2026-01-01T03:04:05.000000Z"), ["a", "b", "c"])
    states = [("a", "begun"), ("a", "done"), ("b", "begun"), ("b", "already so"), ("c", "begun")]
    ended.journal.entries = [{"kind": "action", "state": state, **about(summary)} for summary, state in states]
    said = lines(tmp_path, "interrupted", ended)
    first = "INTERRUPTED: 2 changes were made to production, and 1 begun but not finished\n  - a\n  - b\n"
    assert said.startswith(f"{first}  - not finished: c\n")
    assert "production at 03:04:05 UTC, and an unfinished change may still be running:\n" in said


@pytest.mark.parametrize("state", ["released", "NOT RELEASED: the host does not answer"])
def test_lock_is_told(tmp_path: Path, state: str) -> None:
    """The last lines give the state of the lock."""
    assert f"lock      {state}" in lines(tmp_path, "failed", Ended(after(), ["a"]), lock=state)


def test_closed_gate_is_shouted(tmp_path: Path) -> None:
    """The last lines say that traffic is paused, also if this run did not close the gate."""
    closed = snapshot("running", "v2", gate="closed")
    assert "TRAFFIC IS PAUSED" in lines(tmp_path, "failed", Ended({"before": closed}))
    under_way = {"incident": "i-0", "since": "2026-01-01T02:00:00.000000Z", "target": "v1", "recorded_here": True}
    said = lines(tmp_path, "failed", Ended({"before": closed, "open rollback": under_way}))
    assert "the gate was closed by incident i-0, which began at 2026-01-01T02:00:00Z" in said
    assert said.endswith("features --resume i-0 --execute shop")
    stopped = Ended({"before": closed, "open rollback": under_way}, mode=Mode.PLAN)
    stopped.journal.entries = [
        {"kind": "scenario began", "scenario": "s", "feature": "1. Chapter"},
        {"kind": "step began", "scenario": "s", "keyword": "Given", "text": "a disk", "id": "1.1.1", "place": ""},
        {"kind": "step ended", "outcome": "failed", "detail": "no room", "next_step": "make room", "seconds": 0.1},
    ]
    stopped.journal.entries = [each | {"time": "2026-01-01T03:00:00.000000Z"} for each in stopped.journal.entries]
    assert "i-0 is under way; to continue it once the next step is done, type:" in (lines(tmp_path, "failed", stopped))
    under_way["recorded_here"] = False
    elsewhere = lines(tmp_path, "failed", Ended({"before": closed, "open rollback": under_way}))
    assert elsewhere.endswith("features --to v1 --execute shop")
    assert "TRAFFIC IS PAUSED" not in lines(tmp_path, "passed", Ended(after(), ["a"]))


@pytest.mark.parametrize(
    ("gate", "by", "words"),
    [
        ("closed", "gateway", "gate      closed (TRAFFIC IS PAUSED)"),
        ("closed", "application", "contradiction: the gate says closed"),
        ("closed", "somebody", "contradiction: the gate says closed"),
        ("closed", "nobody", "closed, reported by the gate; it gave no answer"),
        ("held", "held", "gate      held (REQUESTS WAIT, LATER THEY ARE REFUSED)"),
        ("held", "gateway", "gate      held (REQUESTS WAIT, LATER THEY ARE REFUSED)"),
        ("held", "application", "contradiction: the gate says held"),
        ("held", "nobody", "held, reported by the gate; it gave no answer"),
        ("open", "application", "gate      open (traffic is served)"),
        ("open", "gateway", "contradiction: the gate says open, but it gave no answer: traffic may be paused"),
        ("open", "nobody", "open, reported by the gate; it gave no answer"),
        ({"unknown": "no word"}, "gateway", "gate      unknown: no word"),
    ],
)
def test_gate_is_told_by_its_word_and_its_answers(tmp_path: Path, gate: str, by: str, words: str) -> None:
    """The gate's reported state is compared with the public address's answer, and contradictions are shown."""
    seen = snapshot("running", "v2", gate=gate) | {"public": {"by": by, "seen": "it gave no answer"}}
    assert words in lines(tmp_path, "failed", Ended({"before": seen}))


def test_ailing_containers_are_named(tmp_path: Path) -> None:
    """A container that does not run or is unhealthy is named."""
    container = snapshot("x", "v1")["containers"][0] | {"service": "jobs", "state": "restarting", "health": "none"}
    said = lines(tmp_path, "failed", Ended(after(containers=[container], digests={}), ["a"]))
    assert "jobs      restarting" in said
    unhealthy = container | {"service": "api", "state": "running", "health": "unhealthy"}
    healthy = container | {"service": "db", "state": "running", "health": "healthy"}
    said = lines(tmp_path, "failed", Ended(after(containers=[unhealthy, healthy], digests={}), ["a"]))
    assert "api       running, unhealthy" in said
    assert "db " not in said


def test_unknown_state_is_said_to_be_unknown(tmp_path: Path) -> None:
    """If production could not be read after the changes, its state is called unknown, and no older state is shown."""
    facts = {"before": snapshot("running", "v2", gate="open"), "after": {"unknown": "no engine"}}
    said = lines(tmp_path, "interrupted", Ended(facts, ["a"]))
    assert "the state of production is unknown: unknown: no engine" in said
    assert "release   " not in said


def test_host_that_was_lost_before_any_change(tmp_path: Path) -> None:
    """If the host was lost before any change, the state at the start is not shown as the current one."""
    told = {"before": snapshot("running", "v2", gate="open"), "after": {"unknown": "no SSH connection to ssh://shop-1"}}
    said = lines(tmp_path, "failed", Ended(told))
    assert "the state of production is unknown: unknown: no SSH connection to ssh://shop-1" in said
    assert "production now" not in said
