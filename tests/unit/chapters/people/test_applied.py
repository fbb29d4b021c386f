"""The ticket and the incident log from an incident's facts, and settings without these sections."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.actions import Outcome
from runbook.chapters.people import applied
from runbook.incident.executor import Executor, Mode
from runbook.incident.facts import Facts
from runbook.notify.incident_log import IncidentLog
from runbook.notify.trackers.tracker import Tracker
from runbook.notify.trackers.webhook import WebhookTracker
from runbook.settings.absent import Absent
from runbook.settings.people import IncidentLogSettings
from tests.support.incident_facts import APPLICATION, DOWNGRADE, LOSS, TO_RESTORE
from tests.support.incident_parts import incident
from tests.support.parts import Reply, asking, host, serving

STEP = {"id": "5.5.3", "keyword": "When", "text": "it is written down"}


def context(found: Executor, tracker: Tracker | None = None, log: IncidentLog | None = None) -> Any:
    project = SimpleNamespace(name="shop")
    return SimpleNamespace(
        incident=found,
        settings=SimpleNamespace(project=project),
        tracker=tracker,
        incident_log=log,
        restore_point=SimpleNamespace(path="/srv/shop/.runbook/planned.dump"),
    )


def went_back(folder: Path, mode: Mode = Mode.EXECUTE) -> Executor:
    found = incident(folder, mode)
    found.facts = Facts.model_validate(DOWNGRADE)
    return found


@pytest.mark.parametrize(
    ("make", "absent"),
    [
        (applied.opening_ticket, Absent.TICKET),
        (applied.documenting, Absent.INCIDENT_LOG),
        (applied.ticket_listed, Absent.TICKET),
    ],
)
@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.EXECUTE])
def test_what_the_settings_lack_is_said(tmp_path: Path, mode: Mode, make: Any, absent: Absent) -> None:
    """Without the section in the settings the step is `not configured`, also in a plan, and nothing is done."""
    found = went_back(tmp_path, mode)
    found.step_began(STEP, may_change=True)
    found.take(make(context(found)), host())
    found.check_step()
    ended = found.step_ended()
    assert (ended.outcome, ended.detail) == (
        Outcome.NOT_CONFIGURED,
        f"the settings have no section [{absent.key}]: {absent.follows}",
    )
    assert ended.outcome.is_good
    assert found.not_configured == {absent: 1}
    assert [entry["kind"] for entry in found.journal.entries] == ["step began", "step ended"]


def test_ticket_is_on_record_and_in_the_log(tmp_path: Path) -> None:
    """The ticket's address is recorded and in the log entry; both name the data loss, and both are made only once."""
    with serving(lambda _: Reply(201, {"url": "https://desk.example/7"})) as server, asking() as http:
        found = went_back(tmp_path)
        known = SecretStr(server.url)
        log = IncidentLog(IncidentLogSettings(file=tmp_path / "log.md"), host(), 5)
        made = context(found, WebhookTracker(http, known, None, lambda: found.facts.ticket), log)
        for _ in range(2):
            for make in (applied.opening_ticket, applied.documenting, applied.ticket_listed):
                found.step_began(STEP, may_change=True)
                found.take(make(made), host())
                assert found.step_ended().outcome is Outcome.PASSED
    assert len(server.asked) == 1
    assert found.facts.ticket == "https://desk.example/7"
    text = (tmp_path / "log.md").read_text()
    assert text.count("## shop: rolled back from v2 to v1") == 1
    assert "desk.example/7" in text
    assert LOSS.partition(":")[0] in text
    assert LOSS in server.asked[0].body.decode()
    done = [entry["action"] for entry in found.journal.entries if entry.get("state") == "done"]
    assert done == ["open_ticket", "log_incident"]


def test_plan_shows_the_whole_entry(tmp_path: Path) -> None:
    """A plan shows the log entry with the restore point that would be taken, and writes nothing."""
    found = went_back(tmp_path, Mode.PLAN)
    log = IncidentLog(IncidentLogSettings(file=tmp_path / "log.md"), host(), 5)
    change = applied.documenting(context(found, log=log))
    text = change.planned["message"]["text"]
    for word in ("/srv/shop/.runbook/planned.dump", "[time, not known yet]", "[how many, not known yet]"):
        assert word in text
    assert not (tmp_path / "log.md").exists()


def test_plan_shows_the_whole_entry_of_a_restore(tmp_path: Path) -> None:
    """The plan of a restore shows the restore point that would be taken, and no ticket, because none is opened."""
    found = incident(tmp_path, Mode.PLAN)
    found.facts = Facts.model_validate({name: TO_RESTORE[name] for name in ("before", "to restore")})
    log = IncidentLog(IncidentLogSettings(file=tmp_path / "log.md"), host(), 5)
    change = applied.documenting(context(found, WebhookTracker(None, SecretStr("x"), None, str), log))  # type: ignore[arg-type]  # asked nothing
    message = change.planned["message"]
    assert message["title"] == "shop: restored from good.dump"
    for word in ("/srv/shop/.runbook/planned.dump", "Rows: [how many, not known yet].", "[time, not known yet]"):
        assert word in message["text"]
    assert "ticket" not in message["text"]


def test_abandoned_switch_is_in_the_log_beside_the_rollback(tmp_path: Path) -> None:
    """An abandoned switch and a later rollback of one incident have one log entry each, also after resuming."""
    log = IncidentLog(IncidentLogSettings(file=tmp_path / "log.md"), host(), 5)
    found = incident(tmp_path)
    found.facts = Facts.model_validate(APPLICATION)
    for make in (applied.documenting_abandoned, applied.documenting, applied.documenting_abandoned):
        found.step_began(STEP, may_change=True)
        found.take(make(context(found, log=log)), host())
        assert found.step_ended().outcome is Outcome.PASSED
    text = (tmp_path / "log.md").read_text()
    assert text.count("## shop: the switch from v2 to v1 was abandoned") == 1
    assert text.count("## shop: rolled back from v2 to v1") == 1
