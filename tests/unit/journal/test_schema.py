"""docs/journal.schema.json matches every entry that the runbook writes, and rejects wrong ones."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName, Artifact, Check, Observation, Question, Scope
from runbook.errors import Inconclusive, RunbookError
from runbook.hosts.command import Begun, Command, NullRecorder
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.http import HttpResponse
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Mode
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import FORMAT
from runbook.journal.recorder import KEPT_OUTPUT
from runbook.journal.verify import verify
from runbook.production.service.kill_switches import position_of
from runbook.settings.application import SwitchSettings
from tests.support.forging import lines_in, put, resealed
from tests.support.incident_parts import incident
from tests.support.journal_schema import problems, schema
from tests.support.telling import snapshot, told

DOCS = Path(__file__).parents[3] / "docs" / "journal.md"


def command(*argv: str) -> Command:
    return Command(argv, 5)


def check(seen: Observation | None) -> Check:
    def observe() -> Observation:
        if seen is None:
            raise Inconclusive("nobody answers", "ask again")
        return seen

    return Check("all well", observe, "look by hand")


@pytest.mark.parametrize("mode", Mode)
def test_what_an_incident_writes_is_as_the_schema_says(tmp_path: Path, mode: Mode) -> None:
    """Commands, exchanges, file checks, changes, facts and decisions match the schema with every possible result."""
    found = incident(tmp_path, mode)
    host = LocalHost({"PATH": "/usr/bin:/bin"}, found)
    found.step_began({"id": "1.1.1", "keyword": "When", "text": "x", "scenario": "y", "place": "f:1"}, may_change=True)
    host.run(command("seq", str(KEPT_OUTPUT)))
    host.run(Command(("echo", "secret"), 5, secret_output=True, stdin=b"fed"))
    for missing in (command("/no/such/command"), Command(("sleep", "9"), 0.1)):
        with contextlib.suppress(RunbookError):
            host.run(missing)
    for body in ("short", "y" * 5000):
        found.exchanged("GET", "http://x/", {"a": 1}, HttpResponse("http://x/", 200, {}, body, 0.1))
    found.exchanged("GET", "http://x/", None, "no answer")
    found.engine_asked(EngineRequest("GET", "/v1.47/info", 0.1, 200))
    found.engine_asked(EngineRequest("GET", "/v1.47/info", 0.1, error="no answer"))
    host.files(5).content(str(tmp_path / "none"))
    host.files(5).content(str(found.journal.path), secret=True)
    with contextlib.suppress(RunbookError):
        host.files(5).names(str(found.journal.path))
    for seen in (Observation(ok=True, seen="so"), Observation(ok=False, seen="not so"), None):
        with contextlib.suppress(RunbookError):
            found.verify(check(seen))
    found.execute(Action(ActionName.BRING_UP, "done", (command("true"),)), host)
    found.execute(Action(ActionName.BRING_UP, "so", (command("true"),), lambda: "it is so", Scope.NOTES), host)
    found.expect(check(Observation(ok=True, seen="so")))
    found.confirm("target")
    found.record_decision(Question.VERDICT, "whether", "yes", ["because"], option=("--verdict", "breaking"))
    rule = {"verdict": "additive", "revision": None, "sql": "x", "object": "y", "rule": "z", "times": 2}
    found.record_decision(
        Question.TARGET, "which", "v1", [], passed_over=[{"candidate": "v2", "why": "it failed"}], findings=[rule]
    )
    kept = Artifact("/srv/i.env", "the env file")
    found.execute(Action(ActionName.BRING_UP, "kept", (command("true"),), leaves=(kept,), removes=("db:/tmp/x",)), host)
    position = position_of(SwitchSettings(variable="X", paths=("/x",)), "off")
    found.record_fact("switch", {"name": "x", **position})
    found.record_fact("quarantined", {"tag": "v2", "digests": {"api": "sha256:1"}, "since": "2025", "file": "/srv/q"})
    steps = {"beside": [{"why": "x", "command": "y"}], "instead": []}
    found.record_fact("restore point", {"path": "/srv/i.dump", "size": 1, "sha256": "0" * 64, "restore": steps})
    found.record_fact("before", snapshot("x", "v1", switches={"x": position}))
    found.step_ended()
    assert problems(found.journal.path) == []
    (tmp_path / "output").rename(tmp_path / "elsewhere")
    (tmp_path / "output").write_text("in the way")
    host.run(command("seq", "2", str(KEPT_OUTPUT)))
    assert problems(found.journal.path) == []
    assert "file_error" in found.journal.entries[-1]["stdout"]


def test_what_was_left_behind_is_as_the_schema_says(tmp_path: Path) -> None:
    """The entry about a command that a killed run left behind matches the schema."""
    found = incident(tmp_path)
    host = LocalHost({}, NullRecorder())
    with found.acting():
        found.command_began(Command(("sleep", "1"), 5, if_stopped=("true",)), Begun(2**22 + 1, None, *host.machine()))
    settle(found.journal, lambda _: None, host)
    assert found.journal.entries[-1]["kind"] == "left behind"
    assert problems(found.journal.path) == []


def test_small_journal_of_the_tests_is_as_the_schema_says(tmp_path: Path) -> None:
    """The journal that other tests use matches the schema."""
    assert problems(told(tmp_path)) == []


def of_kind(journal: Path, kind: str, **members: Any) -> int:
    """Return the index of the first entry of this kind with these members."""
    entries = verify(journal).entries
    return next(
        n
        for n, entry in enumerate(entries)
        if entry["kind"] == kind and members.items() <= {k: v for k, v in entry.items() if k in members}.items()
    )


WRONG: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], object]]] = [
    ("opened", {}, lambda entry: entry.update(format=2)),
    ("opened", {}, lambda entry: entry.pop("lock")),
    ("opened", {}, lambda entry: entry.update(type="holiday")),
    ("opened", {}, lambda entry: entry["asked_for"].pop("target")),
    ("opened", {}, lambda entry: entry.update(seq=-1)),
    ("opened", {}, lambda entry: entry.update(time="2026-11-22 11:17:40")),
    ("opened", {}, lambda entry: entry.update(kind="began")),
    ("scenario began", {}, lambda entry: entry.pop("description")),
    ("scenario ended", {}, lambda entry: entry.update(outcome="fine")),
    ("scenario left out", {}, lambda entry: entry.update(outcome="passed")),
    ("step began", {}, lambda entry: entry.update(keyword="And")),
    ("step began", {}, lambda entry: entry.update(id="first")),
    ("step ended", {}, lambda entry: entry.update(seconds="1")),
    ("command", {"exit_code": 1}, lambda entry: entry.update(stopped="and ended")),
    ("command", {"exit_code": 1}, lambda entry: entry.pop("stderr")),
    ("command", {"exit_code": 1}, lambda entry: entry["stdout"].update(file="output/0001-stdout.txt")),
    ("command", {"exit_code": 1}, lambda entry: entry["stdout"].update(file_error="full", sha256="0" * 64)),
    ("command", {"exit_code": 1}, lambda entry: entry["stdout"].update(whole="yes")),
    ("command", {"exit_code": 1}, lambda entry: entry["stdout"].update(kept="x" * 65_537)),
    ("engine request", {"status": 404}, lambda entry: entry.update(error="none")),
    ("engine request", {"status": 404}, lambda entry: entry.pop("status")),
    ("engine request", {"status": 404}, lambda entry: entry.update(body="what containers hold")),
    ("file look", {"asked": "content"}, lambda entry: entry.update(asked="everything")),
    ("file look", {"asked": "content"}, lambda entry: entry.update(seen="text")),
    ("exchange", {"status": 503}, lambda entry: entry.update(error="none")),
    ("exchange", {"status": 503}, lambda entry: entry.update(headers={})),
    ("exchange", {"status": 503}, lambda entry: entry.update(body_file={"file": "../x"})),
    ("check", {}, lambda entry: entry.pop("seen")),
    ("check", {}, lambda entry: entry.update(state="planned")),
    ("action", {"state": "begun"}, lambda entry: entry.pop("commands")),
    ("action", {"state": "begun"}, lambda entry: entry.update(evidence="why")),
    ("action", {"state": "done"}, lambda entry: entry.pop("scope")),
    ("fact", {"name": "before"}, lambda entry: entry["value"].pop("gate")),
    ("fact", {"name": "before"}, lambda entry: entry["value"].update(schema="0003")),
    ("fact", {"name": "target"}, lambda entry: entry["value"].update(colour="red")),
    ("fact", {"name": "target"}, lambda entry: entry.update(name="tarket")),
    ("decision", {}, lambda entry: entry.update(evidence="because")),
    ("closed", {}, lambda entry: entry.update(outcome="over")),
    ("closed", {}, lambda entry: entry.update(sha256="ABC")),
]


@pytest.mark.parametrize(
    ("kind", "members", "change"), WRONG, ids=[f"{wrong[0]}-{number}" for number, wrong in enumerate(WRONG)]
)
def test_wrong_entry_is_told(
    tmp_path: Path, kind: str, members: dict[str, Any], change: Callable[[dict[str, Any]], object]
) -> None:
    """A missing, additional or invalid member is reported with its line."""
    journal = told(tmp_path)
    place = of_kind(journal, kind, **members)
    lines = lines_in(journal)
    entry = json.loads(lines[place])
    change(entry)
    entry |= {name: entry.pop(name) for name in ("previous", "sha256")}
    put(journal, [*lines[:place], json.dumps(entry).encode() + b"\n", *lines[place + 1 :]])
    found = problems(journal)
    assert [problem.startswith(f"line {place + 1}: ") for problem in found] == [True], found


def test_order_of_members_is_part_of_it(tmp_path: Path) -> None:
    """Members in another order are rejected: number, time and kind come first, and the hashes last."""
    journal = told(tmp_path)
    lines = lines_in(journal)
    entry = json.loads(lines[3])
    put(journal, [json.dumps({"kind": entry.pop("kind")} | entry).encode() + b"\n"])
    assert "in another order" in problems(journal)[0]


def test_documented_kinds_and_facts_are_in_the_schema() -> None:
    """docs/journal.md and the schema have the same kinds of entries and the same facts."""
    text = DOCS.read_text(encoding="utf-8")
    kinds_text, _, rest = text.partition("## The kinds of entries")[2].partition("## What is on the disk")
    assert rest
    headings = re.findall(r"^### (.*)$", kinds_text, re.MULTILINE)
    named = {kind for heading in headings for kind in re.findall(r"`([^`]+)`", heading)}
    assert named == set(schema()["$defs"]["kinds"])
    table = kinds_text.partition("### `fact`")[2].partition("### `confirmed`")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(schema()["$defs"]["facts"])
    kinds = schema()["properties"]["kind"]["enum"]
    assert set(kinds) == set(schema()["$defs"]["kinds"])
    assert len(schema()["allOf"]) == len(kinds)
    assert schema()["$defs"]["kinds"]["opened"]["properties"]["format"] == {"const": FORMAT}


def test_resealed_line_is_as_it_was(tmp_path: Path) -> None:
    """`resealed` without changes returns the original line."""
    line = lines_in(told(tmp_path))[2]
    assert resealed(line) == line
