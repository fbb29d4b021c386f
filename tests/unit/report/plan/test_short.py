"""A plan on one screen: every incident's plan fits, the important facts come first, and no text breaks the lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.report.plan.model import Interruption
from runbook.report.plan.short import Tone, short
from tests.support import plans
from tests.support.plans import a_plan

REGRESSION = """\
shop on prod-1 · plan of a rollback · nothing was changed
  from        2025-12-18-rc1  not ready: jobs; jobs restarting; 12 errors in
              recent logs; running for 14 min
  to          2025-12-15-rc1  validated 2025-12-15 10:42Z, same schema; 3 more:
              --to 2, 3, 4
  migrations  unchanged → image-only
  switch      beside  api twice (113 of 5022 MiB); requests wait meanwhile
  + rollback note   .runbook/open_incident.json → removed
  + quarantine      2025-12-18-rc1 (2 digests)
  ~ .env IMAGE_TAG  2025-12-18-rc1 → 2025-12-15-rc1 (copy in .runbook)
  ~ api             sha256:e4e4e4e4e4e4 → sha256:b1b1b1b1b1b1
  ~ jobs            sha256:b9b9b9b9b9b9 → sha256:040404040404
  ~ traffic         open → held → open
  + ledger          2025-12-15-rc1
  + ticket          shop/shop
  + announcement    JSON
  left out: 5 scenarios for other strategies, 4 scenarios for another switch
  Plan: 9 changes, 13 checks, no decision needed.
  Users: the expected interruption is unknown
  To carry it out, type:
    .venv/bin/pytest features --to 2025-12-15-rc1 --execute shop"""
README = Path(__file__).parents[4] / "README.md"


def told(entries: list[dict[str, Any]], width: int = 80, **more: Any) -> list[str]:
    return [line.text for line in short(a_plan(entries, **more), width)]


def test_plan_of_a_regression() -> None:
    """The short plan of a regression has the exact text that README.md shows."""
    *lines, command = told(plans.regression())
    assert "\n".join([*lines, f"    {command}"]) == REGRESSION
    assert f"```\n{REGRESSION}\n```" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(("entries", "most"), plans.INCIDENTS.values(), ids=plans.INCIDENTS)
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_plan_fits_on_one_screen(entries: Callable[[], list[dict[str, Any]]], most: int, width: int) -> None:
    """A plan stays below its height at 80 columns, and only a command may be wider than the terminal."""
    lines = short(a_plan(entries()), width)
    assert [line.text for line in lines if line.tone is not Tone.COMMAND and len(line.text) > width] == []
    # The terminal adds the record's path, and may wrap the command onto a second line.
    assert width != 80 or len(lines) + 2 <= most
    assert [line.tone for line in lines].count(Tone.COMMAND) == 1


def test_decision_stands_out_with_the_whole_command() -> None:
    """The loss to accept is listed once, marked as a decision, above the command that accepts it."""
    lines = short(a_plan(plans.breaking(accepted=False)), 80)
    texts = [line.text for line in lines]
    first = texts.index("  DECISION NEEDED: accept what would be destroyed")
    assert texts[first + 1 : first + 3] == [f"    - {each}" for each in plans.LOSS]
    assert {line.tone for line in lines[first : first + 3]} == {Tone.DECISION}
    assert sum(plans.LOSS[0] in text for text in texts) == 1
    assert texts[-1] == ".venv/bin/pytest features --to 2025-12-15-rc1 --accept-loss 0004 --execute shop"
    assert "DECISION NEEDED" in texts[0]
    assert "1 DECISION NEEDED." in "\n".join(texts)


def test_verdict_that_a_person_must_give_is_asked_for() -> None:
    """An open verdict is asked for with its evidence, the other possible answers, and the command."""
    texts = told(plans.review())
    first = texts.index("  DECISION NEEDED: judge the migrations")
    assert texts[first + 1] == "    - DO $$: cannot be judged"
    assert "--verdict additive" in texts[first + 2]
    assert texts[-1].endswith("--verdict breaking --because 'why it is so' --execute shop")


def test_decision_before_anything_was_planned_promises_no_list() -> None:
    """If a decision is needed before anything is planned, the text names the option that shows the changes."""
    undecided = {"1.5.4": ["--no-migrations", "--because", "how you know"]}
    facts = {name: value for name, value in plans.FACTS.items() if name not in ("strategy", "verdict")}
    text = " ".join(" ".join(told(plans.entries(facts | {"undecided": undecided}, outcome="decision needed"))).split())
    assert "A person must decide; leave --execute out to see what would be done." in text
    assert "the planned changes are above" in " ".join(" ".join(told(plans.review())).split())


def test_crashes_between_which_it_runs_are_told() -> None:
    """Restarts that the engine counted are reported, although the containers run during the observation."""
    crashed = plans.container("api") | {"restarts": 4}
    facts = plans.FACTS | {"before": plans.before(containers=[crashed, plans.container("jobs") | {"restarts": 1}])}
    text = " ".join(" ".join(told(plans.entries(facts, plans.OPENING))).split())
    assert "api restarted 4 times; jobs restarted once; 12 errors in recent logs" in text


def test_migrations_that_nobody_looked_at_are_called_that() -> None:
    """Without a database, migrations are reported as not checked, and the strategy is image-only."""
    facts = {name: value for name, value in plans.FACTS.items() if name != "verdict"}
    assert "  migrations  not checked → image-only" in told(plans.entries(facts, plans.OPENING))


def test_digest_that_two_services_share_is_one() -> None:
    """A digest that two services share is quarantined once."""
    one = {"api": plans.RAN["api"], "jobs": plans.RAN["api"]}
    facts = plans.FACTS | {
        "before": plans.before(digests=one),
        "origin": {"tags": [plans.FAILED], "digests": one},
    }
    assert any("(1 digest)" in line for line in told(plans.entries(facts, plans.OPENING)))


def test_accepted_loss_is_named() -> None:
    """A plan with an accepted loss still says which data is destroyed."""
    texts = told(plans.breaking())
    assert "    - column orders.note: 2 rows hold values" in texts
    assert "  ~ schema          0004 → 0003" in texts
    assert any("sha256:e4e4e4e4e4e4 → stopped → sha256:b1b1b1b1b1b1" in text for text in texts)


def test_plan_that_stops_says_first_why_and_what_to_type() -> None:
    """If the plan stopped, the reason and the command come before everything else."""
    texts = told(plans.irreversible())
    assert texts[0].endswith("STOPPED, nothing was changed")
    assert texts[1] == "  stopped at 1.3.1: Given the last known-good image tag"
    assert "downgrade() of 0004 does nothing" in " ".join(" ".join(texts[2:4]).split())
    command = next(number for number, text in enumerate(texts) if text.startswith(".venv/bin/pytest"))
    assert command < next(number for number, text in enumerate(texts) if text.startswith("  from"))


def test_stopped_plan_advises_nothing() -> None:
    """A stopped plan lists no changes, as they cannot be executed."""
    stopped = {"outcome": "failed", "detail": "d", "next_step": "n"}
    texts = told(plans.entries(plans.FACTS, plans.OPENING, outcome="failed", stopped=stopped))
    assert not [text for text in texts if text.startswith(("  +", "  ~", "  Plan", "  Users"))]


def test_interrupted_plan_says_so() -> None:
    """An interrupted plan is reported as interrupted, not as stopped."""
    stopped = {"outcome": "interrupted", "detail": "stopped by Ctrl-C"}
    texts = told(plans.entries({}, outcome="interrupted", stopped=stopped, left_out=0))
    assert texts[0].endswith("INTERRUPTED, nothing was changed")
    assert texts[-1] == ".venv/bin/pytest features"


def test_emergency_tells_of_its_switch() -> None:
    """The plan of an emergency shows the switch, its env file and the recreated services, and no target."""
    texts = told(plans.export_leak())
    assert "  switch      exports: EXPORT_MODE=off" in texts
    assert "  ~ .env EXPORT_MODE  on → off" in texts
    assert "  ~ api               recreated → 2025-12-18-rc1" in texts


def test_restore_tells_the_data_loss() -> None:
    """The plan of a restore shows the dump, the data loss, the time without service and the announcement."""
    lines = told(plans.restore())
    assert lines[0] == "shop on prod-1 · plan of a restore · nothing was changed"
    at = lines.index("  restores    the database shop from 20251217T030000Z-shop-rollback.dump, of")
    assert lines[at + 1 : at + 3] == [
        "              2025-12-17 03:00:00 UTC",
        "  data loss   data written since will be only in shop_before_20251218030000",
    ]
    assert "  Users: without service from when traffic is paused until a person starts the" in lines
    changed = [line.split() for line in lines if line.startswith("  +")]
    assert changed[-2:] == [["+", "incident", "log", "/home/ops/incidents.md"], ["+", "announcement", "JSON"]]
    assert lines[-1].endswith("-m restore --dump 20251217T030000Z-shop-rollback.dump --execute shop")


def test_forward_fix_goes_on() -> None:
    """A forward-fix shows no verdict, because a person asked for the release."""
    texts = told(plans.forward_fix())
    assert "  migrations  asked for → forward-fix" in texts
    assert "  ~ schema          0004 → 0005" in texts


def test_bridge_is_told() -> None:
    """A chosen bridge shows what it relaxes, and that the schema stays. Otherwise one line names the option."""
    texts = told(plans.bridged())
    assert "  migrations  breaking → bridge  schema stays at 0004" in texts
    assert "    - NOT NULL note of orders is lifted" in texts
    assert "  ~ NOT NULL note of orders is lifted" in [text.rstrip() for text in texts]
    assert not [text for text in texts if "--strategy" in text or "bridge.json" in text]
    assert '    or, with nothing lost: --strategy bridge --because "why"' in told(plans.bridged(chosen=False))


def test_bridge_that_goes_is_told() -> None:
    """A forward-fix that removes a bridge says so. Without a bridge to remove it does not mention one."""
    taking = plans.action("remove_bridge", f"{plans.DIRECTORY}/.runbook/bridge.json")
    texts = told(plans.entries(plans.FACTS, (taking,)))
    assert "  - bridge  .runbook/bridge.json" in texts
    assert not [text for text in told(plans.entries(plans.FACTS, (taking | {"commands": []},))) if "bridge" in text]


def test_schema_that_stays_newer_is_said() -> None:
    """The plan of an additive rollback says that the schema stays at the newer revision."""
    assert "  migrations  additive → image-only  schema stays at 0004" in told(plans.additive())


def test_nothing_to_do() -> None:
    """If there is nothing to do, the plan gives the reason and a command to type instead."""
    why = "v1 already runs and serves traffic, and no rollback is open"
    texts = told(plans.entries(dict(plans.FACTS) | {"nothing to do": why}, outcome="nothing to do", left_out=0))
    assert texts[0].endswith("NOTHING TO DO")
    assert f"  {why}" in texts
    assert texts[-1] == ".venv/bin/pytest features -m post_deploy"


@pytest.mark.parametrize(
    ("cost", "told_of_it"),
    [
        (
            Interruption(count=3, since="2025-12-01", until="2025-12-15", without_service=0.6, paused=4.4),
            (
                "  Users: about 1 s without service, traffic paused for about 4 s (last 3\n"
                "    incidents, 2025-12-01 to 2025-12-15)"
            ),
        ),
        (
            Interruption(count=1, since="2025-12-15", until="2025-12-15", paused=4.4, rehearsed=True),
            "  Users: traffic paused for about 4 s (last rehearsal, 2025-12-15)",
        ),
        (
            Interruption(count=1, since="2025-12-15", until="2025-12-15", paused=4.4, held=True),
            "  Users: requests wait for about 4 s (last incident, 2025-12-15)",
        ),
        (Interruption(count=1, since="", until=""), "  Users: the expected interruption is unknown"),
    ],
)
def test_expected_interruption_is_told(cost: Interruption, told_of_it: str) -> None:
    """The expected interruption is shown with its source, or reported as unknown."""
    assert f"\n{told_of_it}\n" in "\n".join(told(plans.regression(), interruption=cost))


@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        ("image-only", "  switch      behind-closed-gate  api twice (113 of 5022 MiB); requests wait"),
        ("bridge", "  switch      behind-closed-gate  requests wait meanwhile"),
        ("downgrade", "  switch      behind-closed-gate  requests wait meanwhile"),
    ],
)
def test_what_becomes_of_requests_is_told(strategy: str, line: str) -> None:
    """For every strategy, the switch line says that requests wait."""
    behind = {"switchover": plans.SWITCHOVER | {"mode": "behind-closed-gate"}, "strategy": strategy}
    assert line in told(plans.entries(dict(plans.FACTS) | behind))


def test_first_evidence_is_shown_to_its_end() -> None:
    """The first evidence is shown to its end, on two lines at most. The rest is counted."""
    said = 'orders: on the current schema PostgreSQL says: column "customer" of relation "orders" does not exist'
    verdict = {"verdict": "breaking", "evidence": [said, "second"]}
    behind = {"switchover": plans.SWITCHOVER | {"mode": "behind-closed-gate"}}
    shown = told(plans.entries(dict(plans.FACTS) | behind | {"verdict": verdict, "strategy": "downgrade"}))
    first = next(n for n, line in enumerate(shown) if line.startswith("    because orders"))
    assert shown[first - 1].startswith("  migrations  breaking → downgrade")
    assert " ".join(" ".join(shown[first : first + 2]).split()) == f"because {said}"
    assert shown[first + 2] == "    and 1 more, in the record"
    endless = told(plans.entries(dict(plans.FACTS) | {"verdict": verdict | {"evidence": ["\x1b[2Jword " * 99]}}))
    first = next(n for n, line in enumerate(endless) if line.startswith("    because "))
    assert not endless[first + 2].strip().startswith("word")


def test_where_there_is_no_gate_nothing_is_behind_it() -> None:
    """Without a traffic gate, the switch is shown as in place, not as behind a closed gate."""
    fact = plans.SWITCHOVER | {"mode": "behind-closed-gate", "meanwhile": "flowing"}
    shown = told(plans.entries(dict(plans.FACTS) | {"switchover": fact}))
    assert [line for line in shown if line.startswith("  switch      in place ")]
    assert [line for line in shown if "closed-gate" in line] == []


def test_emergency_shows_the_turns_of_the_gate() -> None:
    """The plan of an emergency shows that traffic is held and reopened."""
    lines = [each.split() for each in told(plans.export_leak())]
    assert ["~", "traffic", "open", "→", "held", "→", "open"] in lines


def test_hostile_text_moves_nothing() -> None:
    """Escapes and line breaks in a tag, an error or a name start no new line, and hide nothing."""
    evil = "v9\x1b[2J\x9b\u202e\nDECISION NEEDED: type rm"
    facts = dict(plans.FACTS) | {
        "origin": {"tags": [evil], "digests": {"api": evil}},
        "target": {"tag": evil, "digests": {"api": "sha256:1"}},
        "verdict": {"verdict": "additive", "evidence": [evil]},
    }
    stopped = {"outcome": "failed", "detail": evil, "next_step": evil}
    lines = short(a_plan(plans.entries(facts, plans.SWITCH, outcome="failed", stopped=stopped)), 80)
    text = "\n".join(line.text for line in lines)
    assert not [char for char in text if char != "\n" and (ord(char) < 32 or char in "\x9b\u202e")]
    assert not [line for line in lines if line.text.startswith("DECISION")]
    assert max(len(line.text) for line in lines if line.tone is not Tone.COMMAND) <= 80


def test_source_that_is_down_and_drift_are_said() -> None:
    """A source that could not be read and a changed configuration are shown in the plan."""
    found = plans.regression()
    for entry in found:
        if entry["kind"] == "decision":
            entry["sources"] = [{"source": "registry", "found": 0, "left_out": [], "down": "it refuses the password"}]
    difference = {"part": "env file", "key": "A", "how": "changed", "was": None, "now": None}
    drift = {"tag": "v1", "validated_at": "", "differences": [difference]}
    found.insert(-1, {"kind": "fact", "name": "configuration drift", "value": drift, "time": plans.AT})
    texts = told(found)
    assert "  NOT READ: registry: it refuses the password" in texts
    assert "  configuration differs from the validated one: 1 key, in the record" in texts
