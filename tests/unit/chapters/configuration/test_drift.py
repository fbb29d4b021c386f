"""Drift from the configuration with which the target was validated: recorded, and never a reason to stop."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.configuration import drift, keeping
from runbook.errors import EnvFileError, Inconclusive, ProductionError
from runbook.incident.production_facts import ConfigurationDrift
from runbook.production.configuration import Configuration, Part, Value
from tests.support.incident_parts import incident
from tests.support.journal_schema import problems
from tests.support.notes import execute, ledger_of, release

NOW: Configuration = {
    Part.RENDERED: {f"services.api.environment.V{number}": Value(str(number)) for number in range(9)},
    Part.ENV_FILE: {"DB_PASSWORD": Value("s3cr3t-4711", secret=True)},
}
OTHER: Configuration = {
    Part.RENDERED: {f"services.api.environment.V{number}": Value("other") for number in range(9)},
    Part.ENV_FILE: {"DB_PASSWORD": Value("s3cr3t-4712", secret=True)},
}


def becomes(monkeypatch: pytest.MonkeyPatch, now: Configuration | Exception) -> None:
    """Set the current configuration, or the error with which reading it fails."""

    def configuration_now(*_: object) -> Configuration:
        if isinstance(now, Exception):
            raise now
        return now

    for module in (drift, keeping):
        monkeypatch.setattr(module, "configuration_now", configuration_now)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An incident on a production whose database does not answer."""

    def ask(*_: object, **__: object) -> list[list[str]]:
        raise Inconclusive("the database shop does not answer", "look at it")

    def read() -> None:
        raise EnvFileError("there is no env file", "look")

    becomes(monkeypatch, NOW)
    return SimpleNamespace(
        incident=incident(tmp_path),
        ledger=ledger_of(tmp_path),
        database=SimpleNamespace(ask=ask),
        env_file=SimpleNamespace(read=read, with_values=lambda found, _values: found),
    )


def validate(found: Any) -> None:
    taken, copies = keeping.snapshot_of(found, release("v1"))
    assert isinstance(taken, str) or taken.copies_unknown == "there is no env file"
    execute(found.ledger.add(release("v1"), "i-1", None, {}, taken, copies=copies))


def drifted(found: Any) -> tuple[ConfigurationDrift, str]:
    seen = drift.note_drift(found, release("v1")).observe()
    assert seen.ok
    assert problems(found.incident.journal.path) == []
    return found.incident.facts.configuration_drift, seen.seen


def test_nothing_differs(found: Any) -> None:
    """No drift is reported with the validation's time; a database that did not answer left only the catalog unknown."""
    validate(found)
    fact, words = drifted(found)
    assert (fact.differences, fact.unknown) == ((), "")
    assert words == f"no drift since v1 was validated ({fact.validated_at})"
    kept = found.ledger.snapshot(release("v1"))
    assert (kept.catalog, kept.catalog_unknown) == (None, "the database shop does not answer")


def test_what_differs_is_named_and_no_secret_shown(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the first keys; the fact has all of them, with values except secrets."""
    validate(found)
    becomes(monkeypatch, OTHER)
    fact, words = drifted(found)
    assert len(fact.differences) == 10  # type: ignore[arg-type]
    assert "services.api.environment.V0 changed, " in words
    assert words.endswith("and 4 more")
    journal = found.incident.journal.path.read_text()
    assert '"was":"0","now":"other"' in journal
    assert "s3cr3t" not in journal


def test_not_known(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a validation or a readable configuration the drift is unknown, and the check still passes."""
    fact, words = drifted(found)
    assert words == f"unknown: {fact.unknown}"
    assert "has no line for v1" in words
    validate(found)
    found.incident.journal.redactor.learn("DB_PASSWORD", "s3cr3t-4711")
    becomes(monkeypatch, ProductionError("Compose cannot read the project: s3cr3t-4711", "look"))
    drifted(found)
    assert "Compose cannot read the project: [secret DB_PASSWORD]" in found.incident.journal.path.read_text()
    validate(found)
    with pytest.raises(Inconclusive, match=r"was validated: Compose cannot read the project: \[secret DB_PASSWORD\]"):
        found.ledger.snapshot(release("v1"))


def test_incident_that_goes_on_keeps_what_it_found(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed incident keeps its recorded drift, although its own validation has replaced the snapshot."""
    validate(found)
    becomes(monkeypatch, OTHER)
    before, _ = drifted(found)
    validate(found)
    found.incident.changes_made.append("the application is brought up")
    after, words = drifted(found)
    assert after == before
    assert "V0 changed" in words
