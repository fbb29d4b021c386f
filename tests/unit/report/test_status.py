"""The record's headline for each possible end of a run."""

from typing import Any

import pytest

from runbook.report.incident_report import IncidentReport

STOPPED = "expected a working downgrade; seen: it is empty"


def story(
    *, kind: str = "rollback", mode: str = "execute", facts: dict[str, Any] | None = None, **closed: Any
) -> IncidentReport:
    opened = {"kind": "opened", "time": "2025-12-18T03:00:00Z", "type": kind, "mode": mode}
    known = [{"kind": "fact", "time": "2025-12-18T03:00:01Z", "name": n, "value": v} for n, v in (facts or {}).items()]
    stopped: list[dict[str, Any]] = []
    if closed["outcome"] == "failed":
        stopped = [
            {"kind": "scenario began", "time": "", "feature": "3", "scenario": "s"},
            {"kind": "step began", "time": "", "keyword": "Given", "text": "a downgrade", "place": "3:1"},
            {
                "kind": "step ended",
                "time": "",
                "outcome": "failed",
                "detail": STOPPED,
                "next_step": "ship a forward-fix",
                "seconds": 1.0,
            },
        ]
    last = {"kind": "closed", "time": "2025-12-18T03:01:00Z", "changes_made": [], "reached": []} | closed
    return IncidentReport([opened, *known, *stopped, last])


def test_rolled_back() -> None:
    """The headline of a whole rollback says that production runs the target again."""
    found = story(outcome="passed", reached=["rolled-back"], facts={"target": {"tag": "v1"}, "strategy": "downgrade"})
    assert (found.headline, found.tone) == ("Over: production runs v1 again", "good")


def test_gone_forward() -> None:
    """The headline of a forward-fix does not say "again", because the release never ran before."""
    found = story(outcome="passed", reached=["rolled-back"], facts={"target": {"tag": "v3"}, "strategy": "forward-fix"})
    assert (found.headline, found.tone) == ("Over: production was rolled forward to v3", "good")


def test_switched() -> None:
    """The headline of an emergency names the value that was set."""
    facts = {"switch": {"name": "exports", "variable": "EXPORT_MODE", "value": "off", "state": "off"}}
    found = story(kind="emergency", outcome="passed", reached=["switch-turned", "export-mode-confirmed"], facts=facts)
    assert (found.headline, found.tone) == ("Switched: EXPORT_MODE=off", "good")


def test_switch_that_users_were_not_seen_to_feel_is_not_switched() -> None:
    """If the switch's effect was not confirmed, the headline does not say "Switched"."""
    assert "Switched" not in story(kind="emergency", outcome="passed", reached=["switch-turned"]).headline


def test_held() -> None:
    """A run that stopped before any change says that production is held, and why."""
    found = story(outcome="failed")
    assert found.headline == "Production is held as it is: expected a working downgrade; seen: it is empty"
    assert found.tone == "bad"


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"changes_made": ["user traffic is paused"]}, id="changed"),
        pytest.param({"mode": "plan"}, id="plan"),
        pytest.param({"kind": "validation"}, id="validation"),
    ],
)
def test_not_held(how: dict[str, Any]) -> None:
    """A failed run that changed something, a plan and a validation say "Stopped", not "held"."""
    assert story(outcome="failed", **how).headline == "Stopped at: Given a downgrade"
