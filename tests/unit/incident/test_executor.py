"""The executor: what it carries out, what it only plans, and what it records before, during and after."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName, Check, Message, Observation, Outcome, Question, Scope
from runbook.errors import CheckFailed, CommandFailed, Inconclusive, with_next_step
from runbook.hosts.command import Command, Completed
from runbook.hosts.host import Host
from runbook.hosts.http import HttpResponse
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from runbook.journal.events import EventListener
from runbook.journal.journal import Journal
from runbook.journal.recorder import KEPT_OUTPUT
from runbook.secrets.redactor import Redactor

CANARY = "canary-4711"


def incident(folder: Path, mode: Mode = Mode.EXECUTE) -> Executor:
    redactor = Redactor()
    redactor.learn("TOKEN", CANARY)
    return Executor("20251218T030000Z-shop-rollback", mode, Journal(folder / "journal.jsonl", redactor))


def host_of(found: Executor) -> Host:
    return LocalHost({}, found)


def entries(found: Executor, kind: str) -> list[dict[str, Any]]:
    """Return the entries of that kind in the journal's file."""
    lines = found.journal.path.read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def states(found: Executor) -> list[str]:
    return [entry["state"] for entry in entries(found, "action")]


def command(*argv: str) -> Command:
    return Command(argv, 10)


def change(*commands: Command, already: Callable[[], str | None] = lambda: None, **more: Any) -> Action:
    return Action(ActionName.BRING_UP, "a file is made", commands, already, **more)


def check(*looks: Observation | Exception, deadline: float = 0) -> Check:
    """Return a check with these results, one per look."""
    left = list(looks)

    def observe() -> Observation:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    return Check("the api ready", observe, "read its log", deadline, interval=0.01)


def ended(found: Executor, error: BaseException | None = None) -> tuple[Outcome, str]:
    outcome, detail, next_step, _ = found.step_ended(error)
    return outcome, with_next_step(detail, next_step)


def test_executed_change_is_made_and_kept(tmp_path: Path) -> None:
    """A change is made, and the journal has its intent, its commands and its end, in that order."""
    found = incident(tmp_path)
    found.execute(change(command("touch", str(tmp_path / "made"))), host_of(found))
    assert (tmp_path / "made").exists()
    kinds = [(entry["kind"], entry.get("state")) for entry in found.journal.entries]
    assert kinds == [("action", "begun"), ("command began", None), ("command", None), ("action", "done")]
    assert found.changes_made == ["a file is made"]
    assert ended(found) == (Outcome.PASSED, "a file is made")


def test_intent_is_in_the_file_before_the_action_begins(tmp_path: Path) -> None:
    """While an action runs, its intent is already in the journal's file, and its end is not."""
    found = incident(tmp_path)
    found.execute(
        change(command("grep", "a file is made.*begun\\|begun.*a file is made", str(found.journal.path))),
        host_of(found),
    )
    shown = entries(found, "command")[0]["stdout"]["kept"]
    assert '"state":"begun"' in shown
    assert '"state":"done"' not in shown


def test_failing_action_leaves_the_change_begun(tmp_path: Path) -> None:
    """If a command fails, the next ones do not run, and the journal shows the change as begun."""
    found = incident(tmp_path)
    with pytest.raises(CommandFailed):
        found.execute(change(command("false"), command("touch", str(tmp_path / "made"))), host_of(found))
    assert states(found) == ["begun"]
    assert not (tmp_path / "made").exists()
    assert found.changes_made == ["a file is made"]


@pytest.mark.parametrize("scope", [Scope.PRODUCTION, Scope.PEOPLE])
def test_plan_runs_nothing(tmp_path: Path, scope: Scope) -> None:
    """A plan records the exact commands and messages, and carries out none of them."""
    found = incident(tmp_path, Mode.PLAN)
    request = Message("over", "all is well", lambda: pytest.fail("sent in a plan"))
    found.execute(change(command("touch", str(tmp_path / "a b")), message=request, scope=scope), host_of(found))
    assert list(tmp_path.iterdir()) == [found.journal.path]
    planned = entries(found, "action")
    assert [(entry["state"], entry["commands"], entry["message"]) for entry in planned] == [
        ("planned", [f"touch '{tmp_path}/a b'"], {"title": "over", "text": "all is well"})
    ]
    assert found.changes_made == []
    outcome, detail = ended(found)
    assert outcome is Outcome.PLANNED
    assert f"touch '{tmp_path}/a b'" in detail


@pytest.mark.parametrize(
    ("mode", "scope", "made"),
    [
        (Mode.PLAN, Scope.IMAGES, True),
        (Mode.PLAN, Scope.NOTES, False),
        (Mode.VALIDATE, Scope.IMAGES, True),
        (Mode.VALIDATE, Scope.NOTES, True),
        (Mode.VALIDATE, Scope.PRODUCTION, False),
        (Mode.VALIDATE, Scope.PEOPLE, False),
    ],
)
def test_what_a_run_may_do_without_execute(tmp_path: Path, mode: Mode, scope: Scope, *, made: bool) -> None:
    """A plan only pulls images; a validation also writes the runbook's own notes."""
    found = incident(tmp_path, mode)
    found.execute(change(command("touch", str(tmp_path / "made")), scope=scope), host_of(found))
    assert (tmp_path / "made").exists() is made
    assert (found.changes_made, found.planned_changes) == ([], 0 if made else 1)
    assert ended(found)[0] is (Outcome.PASSED if made else Outcome.PLANNED)


def test_nothing_is_done_behind_what_was_only_planned(tmp_path: Path) -> None:
    """After a planned change every further change is only planned, even pulling images."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(change(command("touch", str(tmp_path / "first"))), host_of(found))
    found.execute(change(command("touch", str(tmp_path / "image")), scope=Scope.IMAGES), host_of(found))
    assert states(found) == ["planned", "planned"]
    assert not (tmp_path / "image").exists()


@pytest.mark.parametrize("mode", list(Mode))
def test_done_already_is_not_done_twice(tmp_path: Path, mode: Mode) -> None:
    """A change that is already so is recorded with the evidence, and not made again."""
    found = incident(tmp_path, mode)
    found.execute(
        change(command("touch", str(tmp_path / "made")), already=lambda: "the gate is closed"), host_of(found)
    )
    assert not (tmp_path / "made").exists()
    assert [(entry["state"], entry["evidence"]) for entry in entries(found, "action")] == [
        ("already so", "the gate is closed")
    ]
    assert found.changes_made == []
    assert ended(found) == (Outcome.PASSED, "already so: the gate is closed")


def test_plan_does_not_ask_what_its_planned_changes_would_have_made_so(tmp_path: Path) -> None:
    """After a planned change the next one is planned without a look, because the present state does not count."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(change(command("true")), host_of(found))
    found.execute(change(command("true"), already=lambda: "the gate is open"), host_of(found))
    assert states(found) == ["planned", "planned"]


def test_what_does_nothing_is_already_so_in_a_plan_too(tmp_path: Path) -> None:
    """A change with nothing to carry out is recorded as already so, also after a planned change."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(change(command("true")), host_of(found))
    found.execute(change(already=lambda: "there is no bridge"), host_of(found))
    assert states(found) == ["planned", "already so"]


def test_receipt_of_a_request_is_kept(tmp_path: Path) -> None:
    """The receipt of a sent message is in the journal and in the step."""
    found = incident(tmp_path)
    found.execute(change(message=Message("A bug", "mend it", lambda: "ticket #7")), host_of(found))
    assert entries(found, "action")[-1]["receipts"] == ["ticket #7"]
    assert ended(found) == (Outcome.PASSED, "ticket #7")


def test_expectation_behind_a_planned_change_is_planned(tmp_path: Path) -> None:
    """After a planned change a check is not made: what it would check, and for how long, is recorded."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(change(command("true")), host_of(found))
    found.expect(check(AssertionError("looked"), deadline=120))
    observe = entries(found, "check")[0]
    assert (observe["state"], observe["expected"], observe["deadline"]) == ("planned", "the api ready", 120)
    assert "would check within 120 s: the api ready" in ended(found)[1]


def test_plan_verifies_for_real(tmp_path: Path) -> None:
    """Before any planned change a plan makes its checks, and fails if one fails."""
    found = incident(tmp_path, Mode.PLAN)
    with pytest.raises(CheckFailed):
        found.expect(check(Observation(ok=False, seen="not ready")))


def test_met_expectation_is_kept_with_what_was_seen(tmp_path: Path) -> None:
    """A passed check is recorded with what was seen and the number of looks."""
    found = incident(tmp_path)
    found.expect(check(Observation(ok=False, seen="starting"), Observation(ok=True, seen="api is ready"), deadline=5))
    observe = entries(found, "check")[0]
    assert (observe["state"], observe["seen"], observe["looks"]) == ("so", "api is ready", 2)
    assert ended(found) == (Outcome.PASSED, "api is ready")


def test_unmet_expectation_names_both_sides_and_the_next_step(tmp_path: Path) -> None:
    """A check that fails at its deadline reports what was expected, what was seen, and the next step."""
    found = incident(tmp_path)
    with pytest.raises(CheckFailed, match="expected the api ready; seen: HTTP 503") as caught:
        found.expect(check(Observation(ok=False, seen="HTTP 503")))
    assert caught.value.next_step == "read its log"
    assert entries(found, "check")[0]["state"] == "not so"
    assert ended(found, caught.value)[0] is Outcome.FAILED


@pytest.mark.parametrize(
    ("deadline", "words"),
    [pytest.param(1.0, "; seen after 1 s: HTTP 503", id="waited"), pytest.param(0, "; seen: HTTP 503", id="one-look")],
)
def test_only_waiting_is_told_in_seconds(tmp_path: Path, deadline: float, words: str) -> None:
    """The seconds are reported only for a check with a deadline, not for a single slow look."""

    def slow() -> Observation:
        time.sleep(1.05)
        return Observation(ok=False, seen="HTTP 503")

    with pytest.raises(CheckFailed) as caught:
        incident(tmp_path).expect(Check("the api ready", slow, "read its log", deadline))
    assert caught.value.seen.endswith(words)


def test_look_without_an_answer_is_not_a_no(tmp_path: Path) -> None:
    """A check without an answer is unknown in the journal, and its step is inconclusive."""
    found = incident(tmp_path)
    with pytest.raises(Inconclusive, match="the api ready; no answer") as caught:
        found.expect(check(Inconclusive("no answer", "look by hand")))
    assert entries(found, "check")[0]["state"] == "unknown"
    assert ended(found, caught.value)[0] is Outcome.INCONCLUSIVE


def test_interruption_is_neither_passed_nor_failed(tmp_path: Path) -> None:
    """Ctrl-C in a step leaves it interrupted."""
    assert ended(incident(tmp_path), KeyboardInterrupt())[0] is Outcome.INTERRUPTED


def test_step_forgets_the_one_before(tmp_path: Path) -> None:
    """Each step has its own outcome and detail."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(change(command("true")), host_of(found))
    found.step_began({"id": "1.1.1", "keyword": "Then", "text": "x", "scenario": "y", "place": "f:1"})
    assert ended(found) == (Outcome.PASSED, "")


def test_secret_is_struck_out_before_output_is_cut(tmp_path: Path) -> None:
    """Long output is redacted before it is cut, so that no part of a secret at the cut remains."""
    found = incident(tmp_path)
    for inside in range(1, len(CANARY)):
        output = tmp_path / f"output-{inside}"
        output.write_text("x" * 100 + CANARY + "y" * (KEPT_OUTPUT - inside))
        host_of(found).run(command("cat", str(output)))
    for entry in entries(found, "command"):
        kept = entry["stdout"]["kept"]
        assert not any(CANARY[at:] + "y" in kept for at in range(len(CANARY) - 3))
        assert len(kept) == KEPT_OUTPUT
        assert entry["stdout"]["bytes"] == (tmp_path / entry["command"].split("/")[-1]).stat().st_size


def test_secret_across_the_cut_of_an_answer_leaves_no_half(tmp_path: Path) -> None:
    """The body of an HTTP answer is redacted before it is cut."""
    found = incident(tmp_path)
    for before in range(4096 - len(CANARY), 4096):
        found.exchanged("GET", "http://x/", None, HttpResponse("http://x/", 200, {}, "x" * before + CANARY, 0.1))
    assert "canar" not in found.journal.path.read_text()


def test_secret_output_stays_out_of_the_journal(tmp_path: Path) -> None:
    """For secret output the journal has only the number of bytes; stderr is recorded."""
    found = incident(tmp_path)
    secret = Command(("sh", "-c", "echo not-known-as-a-secret; echo trouble >&2"), 5, secret_output=True)
    host_of(found).run(secret)
    entry = entries(found, "command")[0]
    assert "not-known-as-a-secret" not in json.dumps(entry["stdout"])
    assert entry["stdout"]["bytes"] == len("not-known-as-a-secret\n")
    assert entry["stderr"]["kept"] == "trouble\n"


def test_what_is_fed_to_a_command_stays_out_of_the_journal(tmp_path: Path) -> None:
    """Of a command's standard input (an env file, say) only the size is recorded."""
    found = incident(tmp_path)
    host_of(found).run(Command(("wc", "-c"), 5, stdin=b"not-known-as-a-secret"))
    entry = entries(found, "command")[0]
    assert entry["stdin_bytes"] == 21
    assert "not-known" not in found.journal.path.read_text()


def test_command_stopped_at_its_deadline_is_kept(tmp_path: Path) -> None:
    """A command that was stopped is recorded with the reason."""
    found = incident(tmp_path)
    with pytest.raises(Exception, match="did not end within"):
        host_of(found).run(Command(("sleep", "60"), 0.2))
    assert entries(found, "command")[0]["stopped"] == "stopped at its deadline of 0.2 s"


def test_detail_of_a_step_is_redacted_for_whoever_shows_it(tmp_path: Path) -> None:
    """The detail of a step contains no secret."""
    found = incident(tmp_path)
    found.journal.redactor.learn("PHRASE", "correct horse battery staple")
    _, detail = ended(found, CheckFailed(f"seen {CANARY} and correct horse battery staple", "-"))
    assert CANARY not in detail
    assert "battery" not in detail


def test_decision_and_facts_are_kept(tmp_path: Path) -> None:
    """A fact can be used by later steps, and the journal has facts and decisions with their evidence."""
    found = incident(tmp_path)
    found.record_fact("target", {"tag": "v1"})
    found.record_decision(Question.TARGET, "Which release?", "v1", ["on the ledger"])
    assert found.facts.target_tag == "v1"
    assert entries(found, "fact")[0]["value"] == {"tag": "v1"}
    assert entries(found, "decision")[0]["evidence"] == ["on the ledger"]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param({"tags": ["v2"], "log_errors": {"api: x": 2}}, {"api: x": 2}, id="counted"),
        pytest.param({"tags": ["v2"], "log_errors": {"unknown": "no logs"}}, None, id="unknown"),
        pytest.param({"tags": ["v1"], "log_errors": {"api: x": 2}}, None, id="the-target-itself"),
        pytest.param(None, None, id="not-looked-at"),
    ],
)
def test_errors_before_the_switch_are_never_guessed(
    tmp_path: Path, origin: dict[str, Any] | None, expected: object
) -> None:
    """The errors before the switch are those counted in the failed release's logs; otherwise they are unknown."""
    found = incident(tmp_path)
    if origin:
        found.record_fact("origin", origin)
    found.record_fact("target", {"tag": "v1"})
    assert found.errors_before() == expected


class Attentive(EventListener):
    """A listener that records all its calls."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def expecting(self, expected: str, deadline: float) -> None:
        self.told.append(("expecting", expected, deadline))

    def changing(self, summary: str, scope: Scope, deadline: float) -> None:
        self.told.append(("changing", summary, scope, deadline))

    def changed(self, summary: str, scope: Scope, state: str) -> None:
        self.told.append(("changed", summary, scope, state))

    def command_began(self, command: Command) -> None:
        self.told.append(("began", str(command)))

    def command_progressed(self, command: Command, line: str) -> None:
        self.told.append(("said", str(command), line))

    def command_ended(self, completed: Completed) -> None:
        self.told.append(("ended", str(completed.command), completed.exit_code))


def test_listener_is_told_what_is_done_and_by_when(tmp_path: Path) -> None:
    """A listener gets each change, with the sum of its commands' deadlines, each command and each check."""
    found = incident(tmp_path)
    found.listener = attentive = Attentive()
    long = Command(("sh", "-c", "echo pulling >&2; sleep 0.4"), 10, streams_progress=True)
    change = Action(ActionName.FETCH_IMAGES, "it is fetched", (long, Command(("true",), 5)))
    found.execute(change, LocalHost({}, found))
    found.verify(Check("all well", lambda: Observation(ok=True, seen="it is"), "look", deadline=7))
    assert attentive.told == [
        ("changing", "it is fetched", Scope.PRODUCTION, 15),
        ("began", str(long)),
        ("said", str(long), "pulling"),
        ("ended", str(long), 0),
        ("began", "true"),
        ("ended", "true", 0),
        ("changed", "it is fetched", Scope.PRODUCTION, "done"),
        ("expecting", "all well", 7),
    ]


def test_bars_of_a_pull_are_not_kept(tmp_path: Path) -> None:
    """Lines that only show the progress of a pull are not recorded."""
    found = incident(tmp_path)
    said = "echo 'aaaaaaaaaaaa Downloading [=>  ]  1MB/2MB' >&2; echo 'aaaaaaaaaaaa Pull complete' >&2"
    LocalHost({}, found).run(Command(("sh", "-c", said), 10, streams_progress=True))
    assert found.journal.entries[-1]["stderr"]["kept"] == "aaaaaaaaaaaa Pull complete\n"


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.EXECUTE])
def test_what_nobody_can_vouch_for_stays_unknown(tmp_path: Path, mode: Mode) -> None:
    """If a check may not be vouched for, an override has no effect, and none is offered."""

    def look() -> Observation:
        raise Inconclusive("no answer", "look by hand")

    found = incident(tmp_path, mode)
    found.record_fact("overrides", {"1.1.1": {"by": "ops", "because": "I know"}})
    checks = [Check("a restore point", look, "", vouchable=vouchable) for vouchable in (True, False)]
    found.step_began({"id": "1.1.1", "keyword": "Given", "text": "a restore point"})
    found.verify(checks[0])
    assert found.step_ended()[0] == Outcome.INCONCLUSIVE
    assert list(found.vouched) == ["1.1.1"]
    found.vouched.clear()
    found.step_began({"id": "1.1.1", "keyword": "Given", "text": "a restore point"})
    with pytest.raises(Inconclusive) as stopped:
        found.verify(checks[1])
    assert (stopped.value.seen, stopped.value.next_step) == ("expected a restore point; no answer", "look by hand")
    assert not found.vouched
    assert len(entries(found, "decision")) == 1
