"""Follow-ups from the journal only: messages to people, switches left off, files kept, and unfinished work."""

from typing import Any

import pytest

from runbook.incident.production_facts import QuarantineFact
from runbook.incident.schema_facts import RestorePointFact
from runbook.journal.journal import Entry
from runbook.report.follow_up.follow_ups import (
    Announcement,
    FollowUps,
    LeftFile,
    Message,
    SwitchOff,
    Ticket,
    follow_ups,
)
from runbook.report.follow_up.next_steps import ToDo
from runbook.report.next_command import next_command
from tests.support.telling import about as named

NAME = "20251218T030000Z-shop-rollback"
HEAD = "ab" * 32
HELD = {"action": "hold_traffic", "longest_wait": 20.0}
OFF = {"variable": "EXPORT_MODE", "value": "off", "state": "off", "owner": "orders team", "remind_after": "2d"}
ON = OFF | {"value": "on", "state": "on"}


class Journal:
    """Builds the entries of a journal, one minute apart."""

    def __init__(self, **opened: Any) -> None:
        self.entries: list[Entry] = []
        facts = {"incident": NAME, "project": "shop", "mode": "execute", "type": "rollback"}
        self.add("opened", **(facts | opened))

    def add(self, kind: str, **facts: Any) -> "Journal":
        time = f"2025-12-18T03:{len(self.entries):02}:00.000000Z"
        self.entries.append({"seq": len(self.entries), "time": time, "kind": kind, **facts})
        return self

    def fact(self, name: str, value: Any) -> "Journal":
        return self.add("fact", name=name, value=value)

    def observe(self, name: str, **about: Any) -> "Journal":
        return self.fact(name, {"at": "2025-12-18T03:30:00.000000Z", "gate": "open", **about})

    def change(self, summary: str, *states: str, scope: str = "production", **about: Any) -> "Journal":
        for state in states:
            members = {
                "begun": ("commands", "message"),
                "planned": ("commands", "message"),
                "done": ("receipts",),
                "already so": ("evidence",),
            }
            told = {name: about[name] for name in (*members[state], "leaves", "removes") if name in about}
            typed = {name: about[name] for name in ("action", "variable", "to") if name in about}
            self.add("action", state=state, **(named(summary, scope) | typed), **told)
        return self

    def step(self, text: str, outcome: str, detail: str = "", next_step: str = "") -> "Journal":
        self.add("step began", id="2.1.1", keyword="Then", text=text, scenario="S", place="f:1")
        return self.add("step ended", outcome=outcome, detail=detail, next_step=next_step, seconds=1)

    def closed(self, outcome: str = "passed", remaining: tuple[str, ...] = (), *changes: str) -> FollowUps:
        self.add("closed", outcome=outcome, changes_made=list(changes), reached=[], remaining=list(remaining))
        return follow_ups(self.entries)


def announced(journal: Journal, *states: str) -> Journal:
    text = f"It is over.\nIncident {NAME}, journal head {HEAD}."
    about = {
        "message": {"title": "shop: rolled back to v1", "text": text, "head": HEAD},
        "receipts": ["accepted"],
        "evidence": "done before",
    }
    return journal.change("the rollback is announced", *states, scope="people", **about)


def ticketed(journal: Journal, *states: str, url: str = "https://tracker.example/shop/issues/7") -> Journal:
    return journal.change(
        "the follow-up ticket is opened", *states, scope="people",
        message={"title": "Forward-fix for v2", "text": "Find the cause."},
        receipts=[f"ticket #7: {url}"], evidence=f"ticket {url}",
    )  # fmt: skip


def test_announcement_as_sent() -> None:
    """The announcement has title, text, state, time, receipt, and the journal head that its readers have."""
    told = announced(Journal(), "begun", "done").closed().announcement
    assert told == Announcement(
        "shop: rolled back to v1",
        f"It is over.\nIncident {NAME}, journal head {HEAD}.",
        "done",
        "2025-12-18T03:02:00.000000Z",
        "accepted",
        HEAD,
    )


@pytest.mark.parametrize(
    ("states", "state", "receipt"),
    [
        (("planned",), "planned", ""),
        (("begun",), "begun", ""),
        (("begun", "already so"), "done", "done before"),
        (("begun", "done", "already so"), "done", "accepted"),
    ],
)
def test_announcement_that_nobody_knows_of(states: tuple[str, ...], state: str, receipt: str) -> None:
    """A begun announcement counts as sent only once a resumed run finds it sent. The first receipt stays."""
    told = announced(Journal(), *states).closed().announcement
    assert told is not None
    assert (told.state, told.receipt) == (state, receipt)


def test_ticket() -> None:
    """The ticket has title, text, state, time, receipt and a link."""
    assert ticketed(Journal(), "begun", "done").closed().ticket == Ticket(
        "Forward-fix for v2",
        "Find the cause.",
        "done",
        "2025-12-18T03:02:00.000000Z",
        "ticket #7: https://tracker.example/shop/issues/7",
        "https://tracker.example/shop/issues/7",
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://user:word@tracker.example/7", "None", 'https://x/"><b>']
)
def test_ticket_without_an_address_to_link_to(url: str) -> None:
    """Only plain http and https addresses without credentials become the ticket's link."""
    ticket = ticketed(Journal(), "begun", "done", url=url).closed().ticket
    assert ticket is not None
    assert ticket.address == ""


def test_switch_that_was_left_off() -> None:
    """A switch left off is listed with owner, time, reminder, and the command that turns it on again."""
    journal = Journal(type="emergency").observe("before", switches={"exports": ON})
    typed = {"action": "set_kill_switch", "variable": "EXPORT_MODE", "to": "off"}
    journal.change("/srv/shop/.env says EXPORT_MODE=off", "begun", "done", commands=["mv"], **typed)
    assert journal.observe("after", switches={"exports": OFF, "reports": ON}).closed().switches_off == (
        SwitchOff(
            "exports", "EXPORT_MODE", "off", "orders team", "2025-12-18T03:03:00.000000Z", "2d", "2025-12-20T03:03:00Z",
            "pytest features -m emergency --enable exports --execute shop",
        ),
    )  # fmt: skip


def test_switch_that_was_off_before() -> None:
    """A switch that was off before is listed with no time. Its reminder counts from the observation."""
    switch = OFF | {"owner": None, "remind_after": "24h"}
    (off,) = Journal().observe("before", switches={"exports": switch}).closed().switches_off
    assert (off.owner, off.since, off.due) == ("", "", "2025-12-19T03:30:00Z")
    odd = OFF | {"remind_after": "tomorrow"}
    (off,) = Journal().observe("before", switches={"exports": odd}).closed().switches_off
    assert (off.remind_after, off.due) == ("tomorrow", "")


def test_switch_that_is_on_again() -> None:
    """A switch that was turned on again is not listed."""
    journal = Journal().observe("before", switches={"exports": OFF}).observe("after", switches={"exports": ON})
    assert journal.closed().switches_off == ()


def test_quarantine() -> None:
    """A quarantined release is listed with its digests and file, but not without known digests."""
    fact = {"tag": "v2", "digests": {"api": "sha256:1"}, "since": "2025-12-18T03:00:00Z", "file": "/srv/q.jsonl"}
    assert Journal().fact("quarantined", fact).closed().quarantined == (QuarantineFact(**fact),)
    assert Journal().fact("quarantined", fact | {"digests": {}}).closed().quarantined == ()


def test_restore_points() -> None:
    """Each dump is listed once, with the commands to restore it if the journal has them."""
    restore = {"beside": [{"why": "go there", "command": "cd /srv"}], "instead": []}
    older = {"path": "/srv/i-0.dump", "size": 1, "sha256": "00"}
    fact = {"path": "/srv/i-1.dump", "size": 2, "sha256": "11", "restore": restore}
    found = Journal().fact("restore point", older).fact("restore point", fact).fact("restore point", fact).closed()
    assert found.restore_points == (
        RestorePointFact(**older),
        RestorePointFact(**fact),
    )


def test_files_that_were_left() -> None:
    """Files that a done or begun change left, and none removed, are listed; those of "already so" changes are not."""
    env, dump, inside = (
        {"path": path, "what": f"the {path}"} for path in ("/srv/i-1.env", "/srv/i-1.dump", "db:/tmp/i-1.dump")
    )
    journal = Journal().change("named", "begun", "done", leaves=[env], removes=[])
    journal.change("dumped", "begun", leaves=[dump, inside], removes=[])
    journal.change("noted", "already so", leaves=[{"path": "/srv/note", "what": "x"}], removes=[])
    journal.change("removed", "begun", "done", leaves=[], removes=["db:/tmp/i-1.dump"])
    assert journal.closed().left_files == (
        LeftFile("/srv/i-1.env", "the /srv/i-1.env"),
        LeftFile("/srv/i-1.dump", "the /srv/i-1.dump"),
    )


def words(found: FollowUps) -> str:
    return "\n".join(f"{item.text} | {item.command}" for item in found.to_do)


RESUME = f"pytest features --resume {NAME} --execute shop"


def test_nothing_to_do_when_it_is_over() -> None:
    """An incident that passed leaves nothing to do, and neither does a plan or an unlock record."""
    assert Journal().step("all is well", "passed").closed().to_do == ()
    assert Journal(mode="plan").step("all is well", "failed").closed("failed").to_do == ()
    assert Journal(type="unlock").closed().to_do == ()
    found = follow_ups([])
    assert (found.to_do, found.switches_off, found.left_anything) == ((), (), False)


def test_users_who_are_kept_out_come_first() -> None:
    """If the gate is closed, the first task is to resume traffic, with the command for it."""
    journal = Journal().observe("after", gate="closed").step("the api is ready", "failed", "not ready", "read its log")
    found = journal.closed("failed", ("2_roll_back.feature::Users return",), "user traffic is paused")
    assert found.to_do == (
        ToDo(
            "Resume traffic. According to this record, the gate was closed by someone unknown.",
            RESUME,
        ),
        ToDo("It stopped at “Then the api is ready”. Next step: read its log."),
        ToDo("Continue with what is left: Users return. What is done is not done twice.", RESUME),
    )


@pytest.mark.parametrize(
    ("looked", "by", "waits"),
    [
        (False, "held by this incident since 2025-12-18T03:01:00Z", "for 20 s at most"),
        (True, "held by someone unknown", "for as long as the gateway holds it"),
    ],
)
def test_users_who_wait_are_refused_in_the_end(looked: bool, by: str, waits: str) -> None:  # noqa: FBT001 - a table
    """If the gate holds, the first task says who held it, and that requests wait and are then refused."""
    journal = Journal()
    if looked:
        journal.observe("after", gate="held", public={"by": "held", "seen": "http://x holds requests"})
    else:
        journal.add("action", state="begun", **(named("user traffic is held") | HELD))
    first = journal.closed("failed", (), "x").to_do[0]
    told = (
        f"Resume traffic. According to this record, the gate was {by} (a request waits {waits}, and is then refused)."
    )
    assert first.text == told


def test_gate_that_says_held_and_lets_users_in_is_not_known_to_hold() -> None:
    """A gate that reports "held" although the public address answers does not count as holding."""
    journal = Journal().observe("after", gate="held", public={"by": "application", "seen": "http://x answers 200"})
    assert "Resume traffic" not in words(journal.closed("failed", (), "x"))


def test_what_is_for_another_way_back_is_not_to_do() -> None:
    """Scenarios of another strategy are not to do, although some versions listed them as remaining."""
    reason = "is for the strategy downgrade, and this one is application"
    journal = Journal().add(
        "scenario left out", scenario="The schema goes back", feature="3", why="strategy", reason=reason
    )
    assert journal.closed("passed", ("3.feature::The schema goes back",)).to_do == ()


@pytest.mark.parametrize(
    ("changes", "kept_out"),
    [
        (("user traffic is paused",), True),
        (("user traffic is paused", "user traffic is resumed"), False),
        ((), False),
    ],
)
def test_gate_that_nobody_looked_at_since(changes: tuple[str, ...], *, kept_out: bool) -> None:
    """If a run was killed before its last observation, its own changes to the gate decide whether traffic is paused."""
    journal = Journal().observe("before")
    for summary in changes:
        journal.change(summary, "begun", "done", commands=["gate"])
    assert ("Resume traffic" in words(follow_ups(journal.entries))) is kept_out


def test_killed_run() -> None:
    """A killed run lists the change that never finished, the lock that may remain, and the command to resume."""
    journal = Journal().add("step began", id="2.1.1", keyword="When", text="x", scenario="S", place="f:1")
    journal.change("the application is brought up", "begun", commands=["docker compose up"])
    found = words(follow_ups(journal.entries))
    assert "“the application is brought up”: it began and never finished" in found
    assert "its lock may still exist. A resumed run takes it over." in found
    assert found.endswith(f"Continue with what is left. What is done is not done twice. | {RESUME}")


def test_held_production_is_not_simply_gone_on_with() -> None:
    """If nothing was changed, the failed step's next step comes first, then a new plan."""
    found = Journal().step("a downgrade exists", "failed", "none", "name a forward-fix").closed("failed", ("x::y",))
    assert found.to_do == (
        ToDo("It stopped at “Then a downgrade exists”. Next step: name a forward-fix."),
        ToDo(
            "Nothing was changed; once the next step is done, plan again with:",
            "pytest features",
        ),
    )


def test_run_that_was_interrupted_before_it_changed_anything_is_gone_on_with() -> None:
    """A run that a person interrupted before any change can be resumed directly."""
    found = Journal().step("it is", "interrupted", "stopped by Ctrl-C").closed("interrupted", ("x::y",))
    assert found.to_do[-1].text.startswith("Continue with what is left: y.")


def test_long_rest_is_counted() -> None:
    """The first three remaining scenarios are named and the rest is counted, to keep the line short."""
    found = Journal().step("it is", "interrupted").closed("interrupted", tuple(f"x::{n}" for n in "abcde"))
    assert found.to_do[-1].text.startswith("Continue with what is left: a, b, c and 2 more.")


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        pytest.param(
            [".venv/bin/pytest", "features", "--settings", "my shop.toml"],
            ".venv/bin/pytest features --settings 'my shop.toml' ",
            id="as-it-was-begun",
        ),
        pytest.param([], "pytest features ", id="nothing"),
        pytest.param("rm -rf /", "pytest features ", id="no-list"),
        pytest.param([1], "pytest features ", id="no-words"),
        pytest.param(["x; rm -rf /"], "'x; rm -rf /' ", id="quoted"),
    ],
)
def test_commands_begin_as_the_run_was_begun(typed: object, begins: str) -> None:
    """Suggested commands begin with the program and settings of the run. Invalid ones are replaced or quoted."""
    journal = Journal(typed=typed).observe("after", switches={"exports": OFF})
    journal.add("step began", id="2.1.1", keyword="When", text="x", scenario="S", place="f:1")
    found = follow_ups(journal.entries)
    assert found.to_do[-1].command == f"{begins}--resume {NAME} --execute shop"
    assert found.switches_off[0].command == f"{begins}-m emergency --enable exports --execute shop"
    assert follow_ups(journal.entries, end_unknown=True).to_do[0].command == begins.rstrip()


def test_journal_that_was_changed_is_not_gone_on_with() -> None:
    """If the journal was changed, the first task is to look at production, and no resume command is given."""
    journal = Journal().observe("before", gate="closed")
    journal.add("step began", id="2.1.1", keyword="When", text="x", scenario="S", place="f:1")
    journal.change("the application is brought up", "begun", commands=["docker compose up"])
    found = follow_ups(journal.entries, end_unknown=True).to_do
    assert [item.command for item in found] == ["pytest features", "", ""]
    assert "The outcome is unknown" in found[0].text
    assert "Resume traffic" in found[1].text
    assert "it began and never finished" in found[2].text


def test_what_somebody_vouched_for() -> None:
    """After an incident that passed, checks that someone vouched for and rows in the restore point are still to do."""
    word = {"by": "ada", "because": "I looked", "at": "2025"}
    journal = Journal().fact("overrides", {"2.1.1": word}).add("scenario began", scenario="S", feature="F")
    journal.step("metrics are scraped", "inconclusive", "nobody answers")
    journal.add("scenario ended", scenario="S", outcome="passed", provides=[])
    journal.fact("strategy", "downgrade").fact("loss", ["column orders.note: 2 rows"])
    journal.fact("restore point", {"path": "/srv/i-1.dump", "size": 2, "sha256": "11"})
    assert [item.text for item in journal.closed().to_do] == [
        "Check “Then metrics are scraped”: it could not be checked, and ada vouched for it (I looked).",
        "Reconcile the data: what the downgrade destroyed is only in the restore point (column orders.note: 2 rows).",
    ]


def test_messages_are_shown_with_what_became_of_them() -> None:
    """Messages are listed in order with their result. A message whose run was killed has no result."""
    journal = Journal()
    for turn, state in (("started", "begun"), ("held", "begun"), ("started", "done"), ("held", "failed")):
        more = {"begun": {"title": turn, "text": "text"}, "done": {"receipt": "accepted"}, "failed": {"why": "down"}}
        journal.add("told", turn=turn, about="", state=state, **more[state])
    journal.add("told", turn="interrupted", about="2.1.1", state="begun", title="interrupted", text="text")
    found = follow_ups(journal.entries)
    assert found.messages == (
        Message("started", "2025-12-18T03:01:00.000000Z", "started", "text", "done"),
        Message("held", "2025-12-18T03:02:00.000000Z", "held", "text", "failed", "down"),
        Message("interrupted", "2025-12-18T03:05:00.000000Z", "interrupted", "text"),
    )
    assert found.left_anything


def closed(journal: Journal, outcome: str, **more: Any) -> list[str]:
    """Close the journal with `outcome`, and return the tasks, each with its command."""
    entries = journal.add("closed", outcome=outcome, **({"changes_made": ["x"], "remaining": []} | more)).entries
    return [f"{each.text} {each.command}".strip() for each in follow_ups(entries).to_do]


RESTORED = {
    "path": "/d",
    "sha256": "0" * 64,
    "made": "2025-12-17 03:00:00 UTC",
    "database": "shop",
    "kept_as": "shop_before_1",
    "revisions": ["r1"],
    "start": "up",
    "remove": "drop",
}
START = "The application is stopped; once the env file names a release that fits the schema r1, start it with: up"
LOST = (
    "Everything written since 2025-12-17 03:00:00 UTC is only in the database shop_before_1."
    " Once nobody needs its rows, remove it: drop"
)


def test_what_a_restore_leaves() -> None:
    """After a restore, the tasks are to start the application and to remove the old database, each with its command."""
    assert closed(Journal(type="restore").fact("restored", RESTORED), "passed") == [START, LOST]
    # A journal of an earlier version does not have the time of the dump.
    journal = Journal(type="restore").fact("restored", RESTORED | {"made": ""})
    assert "Everything written since the dump is only in the database" in closed(journal, "passed")[1]


def test_restore_of_which_nobody_was_told() -> None:
    """If a restore could not be announced, starting the application comes first, then resuming the incident."""
    journal = Journal(type="restore", typed=["pytest", "features"]).fact("restored", RESTORED)
    found = closed(journal, "failed", remaining=["f::The restore is announced"])
    left = "Continue with what is left: The restore is announced. What is done is not done twice."
    typed = f"pytest features -m restore --resume {NAME} --execute shop"
    assert found == [START, LOST, f"{left} {typed}"]
    following = next_command(journal.entries)
    assert following is not None
    assert (following.command, following.going_on.command) == ("up", typed)


def test_application_that_was_started_behind_a_restore() -> None:
    """After a restore, starting the application is a task only if the last observation saw it stopped."""
    for state, left in (("exited", [START, LOST]), ("running", [LOST])):
        container = {"id": "a", "name": "shop-api-1", "service": "api", "state": state}
        journal = Journal(type="restore").fact("restored", RESTORED)
        journal.observe("after", digests={"api": "x"}, containers=[container])
        assert closed(journal, "passed") == left


def test_rows_that_were_kept_are_put_back() -> None:
    """Rows kept from a downgrade are a task, with the rows that were not saved and the command to put them back."""
    fact = {"path": "/r", "sha256": "0" * 64, "kept": ["a.b"], "left_out": ["a.c: no key"], "put_back": "psql"}
    journal = Journal().fact("strategy", "downgrade").fact("loss", ["column a.b: 2 rows"])
    journal.fact("restore point", {"path": "/srv/i-1.dump", "size": 2, "sha256": "11"})
    told, drift = closed(journal.fact("kept rows", fact), "passed")
    assert drift == "Reconcile the data: what the downgrade destroyed is in the restore point (column a.b: 2 rows)."
    assert told.startswith("Once the forward-fix has migrated the schema, put back what the downgrade destroyed: a.b.")
    assert told.endswith(" Not saved: a.c: no key. psql")


FORTH, BACK = "pytest features --resume", "pytest features -m restore"


@pytest.mark.parametrize(
    ("at", "changed", "ways"),
    [
        pytest.param(
            "r3",
            ["x is gone"],
            [
                f"First go back to the state before the downgrade: {BACK}",
                f"Then fix what stopped it, and continue: {FORTH}",
            ],
            id="at no revision",
        ),
        pytest.param(
            "r2",
            ["x is gone"],
            [
                f"To continue, fix what stopped it, then type: {FORTH}",
                f"Or go back to the state before the downgrade: {BACK}",
            ],
            id="between two revisions",
        ),
        pytest.param(
            "r3",
            [],
            [
                f"To continue, fix what stopped it, then type: {FORTH}",
                f"Or go back to the failed release: {BACK}",
            ],
            id="untouched",
        ),
    ],
)
def test_ways_from_where_a_migration_stopped(at: str, changed: list[str], ways: list[str]) -> None:
    """If a migration stopped half-way, both ways out are listed in the order in which they work, and nothing else."""
    fact = {"direction": "downgrade", "revisions": [at], "began": ["r3"], "to": "r1", "changed": changed}
    journal = Journal(typed=["pytest", "features"]).add("scenario began", scenario="S", feature="F")
    journal.fact("half way", fact | {"way_on": FORTH, "way_back": BACK})
    journal.step("the schema is downgraded", "failed", "it raised", next_step=f"way on: {FORTH}; way back: {BACK}")
    stopped = "It stopped at “Then the schema is downgraded”."
    assert closed(journal, "failed", remaining=["f::Later"]) == [stopped, *ways]
    journal.add("resumed").add("scenario began", scenario="S", feature="F").step(
        "the schema is downgraded", "passed", ""
    )
    assert closed(journal, "passed") == []
