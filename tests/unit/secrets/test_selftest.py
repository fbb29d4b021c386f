"""The self-test of redaction: a run refuses to begin if a made-up secret would be written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import RedactionError
from runbook.journal.journal import Journal
from runbook.secrets import selftest
from runbook.secrets.redactor import Redactor
from runbook.secrets.selftest import refuse_leaks


def letting_through(form: str, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Return a way that redacts everything except one form."""
    told: dict[str, str] = {}
    forms = selftest._forms

    def noted(secret: str, word: str) -> dict[str, tuple[str, str]]:
        found = forms(secret, word)
        told[form] = found[form][0]
        return found

    monkeypatch.setattr(selftest, "_forms", noted)
    return lambda value: value if told[form] in selftest.texts_in(value["list"]).__next__() else redactor.value(value)


def test_working_redaction_is_let_pass() -> None:
    """If nothing leaks, the self-test passes, and its secret is forgotten."""
    redactor = Redactor()
    redactor.learn("TOKEN", "hunter2-secret")
    refuse_leaks(redactor, {"journal": redactor.value})
    assert [secret.name for secret in redactor._secrets.values()] == ["TOKEN"]


@pytest.mark.parametrize("form", sorted(selftest._forms('0123456789ab/"', "0123456789ab")))
def test_each_form_that_comes_out_is_told(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One form that leaks refuses the run; the message names the form and its destination."""
    redactor = Redactor()
    with pytest.raises(RedactionError, match=f"a secret was not replaced, {form}, on its way to the page"):
        refuse_leaks(redactor, {"page": letting_through(form, redactor, monkeypatch)})
    assert not redactor._secrets


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(lambda redactor, value: {"list": value["list"]} | redactor.value({"k": 1}), id="in-a-list"),
        pytest.param(lambda redactor, value: {key: redactor.value(item) for key, item in value.items()}, id="in-a-key"),
        pytest.param(lambda _, value: json.dumps(value), id="in-a-line-of-json"),
    ],
)
def test_place_that_is_left_out_is_told(way: Callable[[Redactor, Any], Any]) -> None:
    """A secret left in a key, a nested value or a line of JSON refuses the run."""
    redactor = Redactor()
    with pytest.raises(RedactionError):
        refuse_leaks(redactor, {"journal": lambda value: way(redactor, value)})


def test_way_that_fails_is_not_trusted() -> None:
    """An error during the self-test refuses the run."""

    def broken(_value: object) -> object:
        raise ZeroDivisionError

    with pytest.raises(RedactionError, match="ZeroDivisionError during the test with a secret"):
        refuse_leaks(Redactor(), {"journal": broken})


def test_journal_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal into which secrets would get is not created."""
    monkeypatch.setattr(Redactor, "text", lambda _self, text: text)
    with pytest.raises(RedactionError, match="on its way to the journal"):
        Journal(tmp_path / "reports" / "journal.jsonl", Redactor())
    assert not list(tmp_path.iterdir())


def test_journal_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the self-test fails, a continued journal stays unchanged."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened")
    journal.close()
    before = journal.path.read_bytes()
    monkeypatch.setattr(Redactor, "value", lambda _self, value: value)
    with pytest.raises(RedactionError):
        Journal(journal.path, Redactor(), go_on=True)
    assert journal.path.read_bytes() == before
