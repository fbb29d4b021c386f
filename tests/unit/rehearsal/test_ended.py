"""A rehearsal exits with 0 only if its incident ended as it must; a held one must stop at the expected step."""

from typing import Any

import pytest

from rehearsal.ended import otherwise
from rehearsal.incidents.catalogue import INCIDENTS, End, find_incident

HELD_AT = find_incident("irreversible-migration").held_at


def run(
    outcome: str, *reached: str, strategy: str = "", changes: tuple[str, ...] = (), at: str = ""
) -> list[dict[str, Any]]:
    stopped = [{"kind": "step began", "text": at}, {"kind": "step ended", "outcome": "failed"}] if at else []
    facts = [{"kind": "fact", "name": "strategy", "value": strategy}] if strategy else []
    closed = {"kind": "closed", "outcome": outcome, "reached": list(reached), "changes_made": list(changes)}
    return [*facts, *stopped, closed]


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("regression", run("passed", "rolled-back", strategy="image-only")),
        ("breaking-migration", run("passed", "rolled-back", strategy="downgrade")),
        ("forward-fix", run("passed", "rolled-back", strategy="forward-fix")),
        ("export-leak", run("passed", "export-mode-confirmed")),
        ("irreversible-migration", run("failed", at=HELD_AT)),
        ("half-way-downgrade", run("failed", changes=("x",), at=find_incident("half-way-downgrade").held_at)),
    ],
)
def test_ended_as_it_must(name: str, entries: list[dict[str, Any]]) -> None:
    """The expected end of each kind of incident is accepted: rolled back, fixed forward, exports off, held."""
    assert otherwise(find_incident(name), entries) == ""


@pytest.mark.parametrize(
    ("name", "entries", "said"),
    [
        pytest.param("regression", [], "but ended not closed", id="no-journal"),
        pytest.param("regression", run("failed", at="x"), "but ended failed", id="failed"),
        pytest.param("regression", run("passed"), "but ended passed", id="not-rolled-back"),
        pytest.param("regression", run("nothing to do"), "but ended nothing to do", id="nothing-to-do"),
        pytest.param(
            "regression", run("passed", "rolled-back", strategy="forward-fix"), "its strategy was", id="other-way"
        ),
        pytest.param("irreversible-migration", run("failed", at="x"), f"at “{HELD_AT}”", id="held-elsewhere"),
        pytest.param("irreversible-migration", run("interrupted", at=HELD_AT), "ended interrupted", id="interrupted"),
        pytest.param("irreversible-migration", run("passed", "rolled-back"), "ended passed", id="rolled-back"),
        pytest.param("half-way-downgrade", run("failed", at="x"), "production was not changed", id="not-begun"),
        pytest.param(
            "irreversible-migration", run("failed", changes=("x",), at=HELD_AT), "production was changed", id="changed"
        ),
    ],
)
def test_ended_otherwise(name: str, entries: list[dict[str, Any]], said: str) -> None:
    """A run that ended in another way is reported with the expected and the actual end."""
    assert said in otherwise(find_incident(name), entries)


def test_every_held_incident_says_where(pytestconfig: pytest.Config) -> None:
    """The step at which an incident must be held exists in the features."""
    features = "".join(path.read_text() for path in (pytestconfig.rootpath / "features").glob("*.feature"))
    held = [incident for incident in INCIDENTS.values() if incident.expected in (End.HELD, End.STOPPED)]
    assert held
    assert all(incident.held_at and incident.held_at in features for incident in held)
