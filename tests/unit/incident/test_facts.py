"""Facts are typed in the code, and are the same when they are read from the journal."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runbook.incident.facts import Facts, Strategy
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.secrets.redactor import Redactor
from tests.support.incident_parts import incident
from tests.support.telling import snapshot

OVERRIDE = {"by": "ops", "because": "I know", "at": "2025-12-18T03:00:00Z"}
TAKEN: dict[str, Any] = {
    "overrides": {"1.1.1": OVERRIDE},
    "before": snapshot("x", "v2", gate={"unknown": "no answer"}, log_errors={"unknown": 2}),
    "after": {"unknown": "the engine is gone"},
    "origin": {"tags": ["v2"], "digests": {"api": "sha256:2"}, "log_errors": {"unknown": "no logs"}},
    "target": {"tag": "v1", "images": {"api": "r.example/api:v1"}, "digests": {"api": "sha256:1"}},
    "configuration drift": {
        "tag": "v1",
        "validated_at": "2025-12-15T03:00:00Z",
        "differences": [{"part": "env file", "key": "EXPORT_MODE", "how": "changed", "was": "on", "now": "off"}],
    },
    "schema": ["r2"],
    "failed migrations": None,
    "strategy": "downgrade",
    "loss accepted": {"revision": "r2", "losses": [{"what": "column orders.note", "rows": None}]},
    "restore point": {"path": "/srv/i.dump", "size": 1, "sha256": "00"},
    "undecided": {"1.5.4": ["--verdict", "breaking"]},
}


def test_journal_gives_back_what_was_put_on_record(tmp_path: Path) -> None:
    """A fact is recorded in JSON's own types, without unset members, and is equal when it is read."""
    found = incident(tmp_path)
    for name, value in TAKEN.items():
        found.record_fact(name, value)
    found.journal.close()
    entries = verify(found.journal.path).entries
    assert {entry["name"]: entry["value"] for entry in entries} == TAKEN
    assert Facts.of(entries) == found.facts


def test_what_could_not_be_seen_is_told_from_what_was() -> None:
    """`unknown` says why nothing could be read; an error whose signature is "unknown" is still an error."""
    facts = Facts.model_validate(TAKEN)
    assert isinstance(facts.before, Snapshot)
    assert facts.before.gate == Unknown(unknown="no answer")
    assert facts.before.log_errors == {"unknown": 2}
    assert str(facts.after) == "unknown: the engine is gone"
    assert facts.strategy is Strategy.DOWNGRADE
    assert facts.on_record("failed_migrations")
    assert not facts.on_record("target_migrations")


@pytest.mark.parametrize(
    ("mode", "meanwhile", "way"),
    [
        ("beside", "held", "image-only beside"),
        ("beside", "paused", "image-only beside"),
        ("behind-closed-gate", "held", "image-only held"),
        ("behind-closed-gate", "paused", "image-only"),
        (None, "", "image-only"),
    ],
)
def test_way_is_compared_with_its_like(mode: str | None, meanwhile: str, way: str) -> None:
    """Incidents with held requests are not compared with incidents that refused them."""
    switch = {"switchover": {"mode": mode, "meanwhile": meanwhile}} if mode else {}
    assert Facts.model_validate({"strategy": "image-only", **switch}).way == way
    assert Facts.model_validate(switch).way == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("target", "v1"), ("strategy", "sideways"), ("before", {"containers": 7}), ("gossip", "x"), ("schema", {"a": 1})],
)
def test_what_is_no_such_fact_is_not_put_on_record(tmp_path: Path, name: str, value: Any) -> None:
    """An invalid fact cannot be recorded, and an invalid fact in a journal is ignored."""
    with pytest.raises((KeyError, ValidationError)):
        incident(tmp_path).record_fact(name, value)
    journal = Journal(tmp_path / "other.jsonl", Redactor())
    journal.write("fact", name=name, value=value)
    assert Facts.of(journal.entries) == Facts()
