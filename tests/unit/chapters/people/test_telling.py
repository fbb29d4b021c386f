"""The final announcement: with the journal's current head, and in a plan with what is known already."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.actions import Action, Outcome
from runbook.chapters.people import telling
from runbook.errors import Inconclusive, SettingsError
from runbook.incident.executor import Executor, Mode
from runbook.incident.facts import Facts
from runbook.incident.production_facts import TurnedSwitch
from runbook.journal.journal import Journal
from runbook.notify.announcement import Channel
from runbook.notify.telling import Templates
from runbook.report.action_diff import same_action, without_name
from runbook.secrets.redactor import Redactor
from tests.support.incident_facts import APPLICATION, RESTORED, TO_RESTORE
from tests.support.incident_parts import incident
from tests.support.parts import Reply, host, serving

SWITCH = TurnedSwitch(name="exports", variable="EXPORT_MODE", value="off", state="off")


def context(found: Executor, url: str, templates: Path | None = None, tracker: object = None) -> Any:
    return SimpleNamespace(
        incident=found,
        settings=SimpleNamespace(project=SimpleNamespace(name="shop"), announcement=True),
        channel=Channel(SecretStr(url.replace("http://", "json://")), 5),
        templates=Templates(templates, found.journal.redactor.text),
        tracker=tracker,
        restore_point=SimpleNamespace(path="/srv/shop/.runbook/i-1.dump"),
    )


def carried_out(found: Executor, change: Action) -> Outcome:
    found.step_began({"id": "4.5.3", "keyword": "When", "text": "it is announced"}, may_change=True)
    found.take(change, host())
    return found.step_ended().outcome


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.EXECUTE])
def test_turned_switch_is_announced(tmp_path: Path, mode: Mode) -> None:
    """The announcement has the journal's current head; a plan shows the text and sends nothing."""
    found = incident(tmp_path, mode)
    found.record_fact("switch", SWITCH)
    with serving(lambda _: Reply(200)) as server:
        head = found.journal.head
        change = telling.announcing_switch(context(found, server.url))
        ended = carried_out(found, change)
    sent = [json.loads(asked.body) for asked in server.asked]
    if mode is Mode.PLAN:
        assert ended is Outcome.PLANNED
        assert sent == []
        assert "[hash, not known yet]" in change.planned["message"]["text"]
    else:
        assert ended is Outcome.PASSED
        assert sent[0]["title"] == "shop: exports is off"
        assert f"Incident {found.name}, journal head {head}." in sent[0]["message"]
        assert change.planned["message"]["head"] == head


def test_plan_promises_the_message_of_the_execution(tmp_path: Path) -> None:
    """The plan's message is the execution's word for word, except head, seconds and the ticket's address."""
    texts = []
    for mode in (Mode.PLAN, Mode.EXECUTE):
        folder = tmp_path / mode / "20251218T030000Z-shop-rollback"
        folder.mkdir(parents=True)
        found = incident(folder, mode)
        for name in ("origin", "target", "strategy", "verdict", "schema"):
            found.record_fact(name, APPLICATION[name])
        if mode is Mode.EXECUTE:
            found.record_fact("ticket", "https://desk.example/7")
        change = telling.announcing(context(found, "http://127.0.0.1:1/", tracker=object()))
        text = change.planned["message"]["text"]
        texts.append(without_name(text.replace(str(tmp_path / mode), "/reports"), found.name))
    planned, executed = texts
    assert "Ticket: [address, not known yet]" in planned
    assert "Ticket: https://desk.example/7" in executed
    assert same_action(planned, executed), (planned, executed)


def test_plan_promises_the_message_of_a_restore(tmp_path: Path) -> None:
    """Except for rows, head, seconds, size, hash and incident name, a restore's message is as planned."""
    texts = []
    for mode, facts in ((Mode.PLAN, TO_RESTORE), (Mode.EXECUTE, RESTORED)):
        folder = tmp_path / mode / "20251218T030000Z-shop-rollback"
        folder.mkdir(parents=True)
        found = incident(folder, mode)
        found.facts = Facts.model_validate(facts)
        change = telling.announcing_restore(context(found, "http://127.0.0.1:1/", tracker=object()))
        assert change.summary == "the restore is announced"
        text = change.planned["message"]["text"]
        texts.append(without_name(text.replace(str(tmp_path / mode), "/reports"), found.name))
    planned, executed = texts
    assert "Rows: [how many, not known yet]." in planned
    assert "Restore point from before, on the production host: /srv/shop/.runbook/i-1.dump, [size, not" in planned
    assert "public.orders 2, before 4" in executed
    assert "icket" not in planned
    assert "shop_before_INCIDENT" in executed
    assert same_action(planned, executed), (planned, executed)


def test_restore_that_is_not_on_record_is_not_announced(tmp_path: Path) -> None:
    """Without a restored dump on record nothing is announced."""
    with pytest.raises(Inconclusive, match="no restored dump is on record"):
        telling.announcing_restore(context(incident(tmp_path), "http://127.0.0.1:1/"))


def test_each_is_announced_once(tmp_path: Path) -> None:
    """An abandoned switch and the rollback after it are announced once each, also after resuming."""
    with serving(lambda _: Reply(200)) as server:
        for again in (False, True):
            journal = Journal(tmp_path / "journal.jsonl", Redactor(), go_on=again)
            found = Executor("20251218T030000Z-shop-rollback", Mode.EXECUTE, journal)
            found.go_on_from(journal.entries)
            found.facts = Facts.model_validate(APPLICATION)
            there = context(found, server.url)
            for make in (telling.announcing_abandoned, telling.announcing):
                assert carried_out(found, make(there)) is Outcome.PASSED
            journal.close()
    titles = [json.loads(asked.body)["title"] for asked in server.asked]
    assert titles == ["shop: the switch to v1 was abandoned, v2 keeps running", "shop: rolled back to v1"]


@pytest.mark.parametrize("name", ["abandon/started.jinja", "abandon/done.jinja"])
def test_plan_of_a_rollback_tries_the_templates_of_an_abandoned_switch_too(tmp_path: Path, name: str) -> None:
    """A rollback's plan also checks the templates of an abandoned switch, which has no plan of its own."""
    found = incident(tmp_path, Mode.PLAN)
    found.facts = Facts.model_validate(APPLICATION)
    (tmp_path / "templates" / "abandon").mkdir(parents=True)
    (tmp_path / "templates" / name).write_text("{{ taget }}")
    with pytest.raises(SettingsError, match=f"{name}: 'taget' is undefined"):
        telling.announcing(context(found, "http://127.0.0.1:1/", tmp_path / "templates"))


def test_broken_template_stops_the_plan_and_not_the_execution(tmp_path: Path) -> None:
    """A broken template of any message stops the plan, but not the execution, where it would be too late."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "interrupted.jinja").write_text("{{ incidnt }}")
    for mode in (Mode.PLAN, Mode.EXECUTE):
        (tmp_path / mode).mkdir()
        found = incident(tmp_path / mode, mode)
        made = context(found, "http://127.0.0.1:1/", tmp_path / "templates")
        if mode is Mode.PLAN:
            with pytest.raises(SettingsError, match=r"interrupted\.jinja: 'incidnt' is undefined"):
                telling.announcing(made)
        else:
            telling.announcing(made)


def test_switch_that_is_not_on_record_is_not_announced(tmp_path: Path) -> None:
    """Without a turned switch on record nothing is announced."""
    with pytest.raises(Inconclusive, match="no turned switch is on record"):
        telling.announcing_switch(context(incident(tmp_path), "http://127.0.0.1:1/"))
