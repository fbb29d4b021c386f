"""The record in a real Chromium: readable without JavaScript, fits a phone, requests nothing."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import Journal
from runbook.report.page.render import render
from runbook.secrets.redactor import Redactor
from tests.browser.looking import faint, unfold, violations
from tests.browser.paper import printed
from tests.browser.told import squeezed

SNAPSHOT = {
    "at": "2026-01-01T00:00:00.000000Z",
    "containers": [],
    "digests": {"api": "sha256:" + "a" * 64},
    "tags": ["2025-12-18-rc1"],
    "env_file": {"path": "/srv/shop/.env", "sha256": "b" * 64, "mode": "640", "owner": "0:0"},
    "schema": ["0003"],
    "readiness": {"status": 503, "answer": {"ready": False, "jobs": False}},
    "gate": "open",
    "log_errors": {"api: KeyError": 3},
}


@pytest.fixture
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A record with a passed step, a failed one, and long, hostile output. The test parameter sets its kind."""
    kind = getattr(request, "param", "rollback")
    journal = Journal(tmp_path / "reports/incident/journal.jsonl", Redactor())
    incident = Executor("incident", Mode.EXECUTE, journal)
    journal.write("opened", type=kind, mode="execute", project="shop", operator="on-call", operator_host="laptop")
    journal.write("scenario began", scenario="Users return", feature="2. Roll back", description="")
    for text, error in (
        ("user traffic is resumed", None),
        ("the gate is open", ValueError("<b>boom</b> " + "x" * 400)),
    ):
        incident.step_began(
            {"id": "1.1.1", "keyword": "When", "text": text, "scenario": "Users return", "place": "2.feature:9"}
        )
        journal.write(
            "command",
            command="docker inspect " + "y" * 300,
            directory=None,
            stdin_bytes=None,
            exit_code=0,
            seconds=0.1,
            stdout={"bytes": 40, "kept": "<script>document.title='owned'</script>" + "z" * 500},
            stderr={"bytes": 0, "kept": ""},
        )
        incident.step_ended(error)
    incident.record_fact("before", SNAPSHOT)
    journal.write("scenario ended", scenario="Users return", outcome="failed")
    journal.write("closed", outcome="failed", changes_made=["user traffic is resumed"])
    journal.close()
    return render(journal.path)


def opened(browser: Browser, record: Path, **context: object) -> Page:
    page = browser.new_context(**context).new_page()
    page.goto(record.as_uri())
    return page


def test_reads_without_javascript(browser: Browser, record: Path) -> None:
    """With JavaScript off, the page shows the outcome, the step that stopped the run, and every step."""
    page = opened(browser, record, java_script_enabled=False)
    assert "Stopped at: When the gate is open" in page.inner_text("h1")
    text = page.inner_text("article")
    assert "user traffic is resumed" in text
    assert "boom" in text


@pytest.mark.parametrize("record", ["rehearsal"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rehearsal_says_so_above_all_else(browser: Browser, record: Path, scheme: str) -> None:
    """A rehearsal is marked above the headline, and axe finds no fault in that."""
    page = opened(browser, record, color_scheme=scheme)
    assert page.inner_text("header").casefold().startswith("rehearsal on a throwaway production")
    assert not violations(page)


def test_fits_a_phone(browser: Browser, record: Path) -> None:
    """At a width of 380 pixels nothing needs sideways scrolling, even with long words."""
    page = opened(browser, record, viewport={"width": 380, "height": 800})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_asks_nobody(browser: Browser, record: Path) -> None:
    """Opening the page causes no request except for the page itself."""
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(record.as_uri())
    assert asked == [record.as_uri()]


def test_output_stays_text(browser: Browser, record: Path) -> None:
    """A script in a command's output is shown and not run."""
    page = opened(browser, record)
    assert page.title().endswith(": incident")
    assert page.locator("article pre script, article b:has-text('boom')").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Browser, record: Path, scheme: str) -> None:
    """In light and dark colors, body text has a contrast of at least 7 (WCAG 2.2, AAA)."""
    page = opened(browser, record, color_scheme=scheme)
    assert not faint(page, "article", 7)


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_no_sheet_ends_within_a_command(browser: Browser, tmp_path: Path, paper: str) -> None:
    """On paper a command of several lines is on one sheet, so that nobody types half of it."""
    journal = Journal(tmp_path / "incident/journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute", project="shop", operator="on-call", operator_host="laptop")
    commands = [f"docker compose run {number} " + "--with-a-word " * 15 + f"the-end-{number}" for number in range(60)]
    steps = {"beside": [{"why": "restore a table", "command": command} for command in commands], "instead": []}
    journal.write("fact", name="restore point", value={"path": "/x", "size": 1, "sha256": "a" * 64, "restore": steps})
    journal.write("closed", outcome="failed", changes_made=[])
    journal.close()
    sheets = [squeezed(text) for text in printed(opened(browser, render(journal.path)), paper).texts]
    assert len(sheets) > 3
    assert [command for command in commands if not any(squeezed(command) in sheet for sheet in sheets)] == []


def test_runs_of_a_resumed_incident_stand_apart(browser: Browser, tmp_path: Path) -> None:
    """A heading is closer to its run's strip than to the outages of the run before. No time spans two lines."""
    journal = Journal(tmp_path / "incident" / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute")
    for again in (False, True):
        if again:
            journal.write("resumed", operator="anna", operator_host="laptop")
        asked = {"url": "http://x", "interval_ms": 250, "deadline_ms": 5000, "began": journal.entries[-1]["time"]}
        journal.write("availability", **asked, offsets_ms=[0, 1, 2], statuses=[502, 502, 200], latencies_ms=[1, 1, 1])
        journal.write("closed", outcome="failed", changes_made=[])
    journal.close()
    page = opened(browser, render(journal.path))
    assert page.evaluate("[...document.querySelectorAll('.rb-moment')].every(it => it.getClientRects().length === 1)")
    boxes = [
        page.locator(f"#rb-availability {each}").bounding_box()
        for each in (".rb-scroll >> nth=0", "h3 >> nth=1", ".rb-strip >> nth=1")
    ]
    table, heading, strip = [(box["y"], box["y"] + box["height"]) for box in boxes if box]
    assert heading[0] - table[1] > strip[0] - heading[1] >= 0


INTERRUPTED = "20260101T000000Z-shop-rollback"


@pytest.fixture(params=["killed", "stopped by Ctrl-C"])
def interrupted(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The record of a rollback, interrupted after the gate was closed, with everything that a record can have."""
    journal = Journal(tmp_path / INTERRUPTED / "journal.jsonl", Redactor())
    incident = Executor(INTERRUPTED, Mode.EXECUTE, journal)
    link = {"name": "Graphs", "url": "https://graphs.example/d/shop?from={from_ms}&to={to_ms}"}
    journal.write(
        "opened",
        incident=INTERRUPTED,
        type="rollback",
        mode="execute",
        project="shop",
        operator="root (by sudo: on-call)",
        operator_host="laptop-of-the-one-on-call",
        host="production-1",
        typed=[".venv/bin/pytest", "features"],
        asked_for={"impact": "orders are refused since the deploy", "severity": "S1", "target": "2025-12-15-rc1"},
        review={"owner": "team-shop", "due_after": "2d", "links": [link]},
    )
    journal.write("scenario began", scenario="The target replaces the failed release", feature="2.", description="")
    incident.record_fact("before", SNAPSHOT)
    incident.record_fact("origin", {name: SNAPSHOT[name] for name in ("tags", "digests", "log_errors")})
    incident.record_fact("target", {"tag": "2025-12-15-rc1", "images": {}, "digests": {}})
    incident.record_fact("strategy", "image-only")
    change: dict[str, Any] = {
        "action": "pause_traffic",
        "summary": "user traffic is paused",
        "scope": "production",
        "resource": "gate",
    }
    journal.write("action", state="begun", commands=["gate pause"], **change)
    journal.write("action", state="done", seconds=0.1, receipts=[], **change)
    words = {"id": "2.4.3", "keyword": "When", "text": "api and jobs are brought up on the target"}
    incident.step_began(words | {"scenario": "The target replaces the failed release", "place": "2.feature:31"})
    up: dict[str, Any] = {
        "action": "bring_up",
        "summary": "api, jobs are brought up on 2025-12-15-rc1",
        "scope": "production",
    }
    journal.write("action", state="begun", commands=["docker compose up -d api jobs"], resource="api, jobs", **up)
    if request.param != "killed":
        incident.step_ended(KeyboardInterrupt(request.param))
        journal.write("scenario ended", scenario="The target replaces the failed release", outcome="interrupted")
        incident.record_fact("after", SNAPSHOT | {"gate": "closed"})
        made = [change["summary"], up["summary"]]
        journal.write("closed", outcome="interrupted", changes_made=made, reached=[], remaining=["x::Users return"])
    journal.close()
    return render(journal.path)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 664)], ids=["desktop", "phone-with-its-bars"])
def test_what_to_do_next_is_on_the_first_screen(browser: Browser, interrupted: Path, width: int, height: int) -> None:
    """The first screen of an interrupted rollback shows the users' state, what is decided, and what to type."""
    page = opened(browser, interrupted, viewport={"width": width, "height": height})
    assert "nterrupted" in page.title()
    now = page.locator(".rb-now")
    assert "not served: traffic is paused since" in now.inner_text()
    command = now.locator(".rb-command")
    assert command.inner_text() == f".venv/bin/pytest features --resume {INTERRUPTED} --execute shop"
    box = command.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
