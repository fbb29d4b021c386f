"""The text of the follow-up ticket, per strategy."""

from typing import Any

import pytest

from runbook.actions import not_known_yet
from runbook.incident.facts import Facts
from runbook.notify.markup import JIRA, MARKDOWN, PLAIN, Markup
from runbook.notify.ticket import ticket
from runbook.notify.wording import restore_point_told
from runbook.report.action_diff import same_action
from tests.support.incident_facts import APPLICATION, BRIDGE, DOWNGRADE, FACTS, FORWARD, HOSTILE, LOSS, POINT


def told(facts: dict[str, Any], markup: Markup = PLAIN) -> str:
    known, point = Facts.model_validate(facts), ""
    if known.restore_point:
        point = restore_point_told(known.restore_point.path, str(known.restore_point.size), known.restore_point.sha256)
    return "\n".join(ticket("shop", known, point, markup))


@pytest.mark.parametrize(
    ("facts", "words", "not_words"),
    [
        pytest.param(
            APPLICATION, ["Forward-fix for v2 (shop)", "The schema stays at r2"], ["downgraded", "drift"], id="app"
        ),
        pytest.param(
            DOWNGRADE,
            [
                "The schema was downgraded to r1",
                *(POINT["path"], "4711 bytes", POINT["sha256"]),
                "Reconcile the data drift",
                f"- {LOSS}\n- table notes: 7 rows",
                "ship a forward-fix under a new tag",
            ],
            ["stays at"],
            id="downgrade",
        ),
        pytest.param(
            BRIDGE,
            [
                "The schema stays at r2, relaxed without touching a row: NOT NULL note of orders is lifted.",
                "ship a forward-fix under a new tag",
                "- SELECT * FROM orders WHERE note IS NULL",
                "- ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
                "--forward-fix TAG",
            ],
            ["downgraded", "drift", "restore point", "DROP NOT NULL"],
            id="bridge",
        ),
        pytest.param(
            FORWARD,
            ["migrated to r3", "Follow-up to v2, fixed by v3"],
            ["rolled back", "restore point", "ship a forward-fix"],
            id="forward",
        ),
        pytest.param(
            APPLICATION | {"verdict": {"verdict": "unchanged"}, "restore point": POINT},
            ["An earlier, interrupted run", POINT["path"], "Reconcile the data drift", "see the record of the run"],
            [],
            id="resumed-behind-the-downgrade",
        ),
        pytest.param(FACTS | {"strategy": "downgrade"}, ["No restore point is on record."], [], id="no-restore-point"),
        pytest.param({}, ["the failed release", "an unknown release"], [], id="nothing-known"),
    ],
)
def test_ticket_says_what_is_left_to_do(facts: dict[str, Any], words: list[str], not_words: list[str]) -> None:
    """The ticket has the schema's state and the remaining tasks of its strategy, and nothing of other strategies."""
    text = told(facts)
    assert [word for word in words if str(word) not in text] == []
    assert [word for word in not_words if word in text] == []


def test_each_digest_of_the_failed_release_is_named() -> None:
    """Each digest of the failed release is named, so that nobody deploys it under another tag."""
    text = told(FACTS, MARKDOWN)
    for word in ("`sha256:aa`", "`sha256:bb`", "Do not deploy the failed tag again"):
        assert word in text


@pytest.mark.parametrize(
    ("markup", "forbidden"),
    [
        pytest.param(MARKDOWN, ["- @", " <!", " **x", " [a](", "<b> `c`"], id="markdown"),
        pytest.param(JIRA, [" @here", " <!channel", " **x", " [a]", " {panel}"], id="jira"),
        pytest.param(PLAIN, ["@here", "<!channel", "@octo"], id="plain"),
    ],
)
def test_foreign_text_is_no_markup(markup: Markup, forbidden: list[str]) -> None:
    """Foreign text mentions nobody and has no markup, but stays readable."""
    facts = DOWNGRADE | {"loss": [HOSTILE], "origin": {"tags": ["v2`@here"], "digests": {HOSTILE: "sha256:aa"}}}
    text = told(facts, markup)
    loss = next(line for line in text.splitlines() if "octo" in line and "failed release" not in line)
    assert [each for each in forbidden if each in loss] == []
    assert "channel" in loss
    assert "@here" not in text.splitlines()[0]


def test_foreign_text_refers_to_no_other_issue() -> None:
    """Foreign text refers to no other issue, because such references cannot be escaped."""
    assert MARKDOWN.text("#12 owner/name#7 !3 gh-4 retry #1: a#b") == "\\# 12 owner/name# 7 ! 3 gh- 4 retry # 1: a#b"


def test_secret_with_markup_in_it_is_struck_out_before_it_is_escaped() -> None:
    """Secrets are redacted before the text is escaped, because an escaped secret would not be recognised."""
    markup = MARKDOWN.redacting(lambda text: text.replace("s_e*c", "[secret X]"))
    assert "s\\_e" not in told(DOWNGRADE | {"loss": ["row s_e*c"]}, markup)


@pytest.mark.parametrize("markup", [MARKDOWN, JIRA, PLAIN], ids=["markdown", "jira", "plain"])
def test_plan_and_execution_can_be_compared(markup: Markup) -> None:
    """Plan and execution have the same text, except for values unknown in the plan."""
    known = Facts.model_validate(DOWNGRADE)
    planned, executed = (
        ticket("shop", known, restore_point_told("/srv/i-1.dump", size, "ab"), markup)[1]
        for size in (not_known_yet("size"), "4711")
    )
    assert not_known_yet("size") in planned
    assert same_action(planned, executed)


def test_switch_that_is_left_off_is_told() -> None:
    """Switches left off are named with their owner. Switches that are on are not mentioned."""
    off = {"variable": "EXPORT_MODE", "value": "off", "state": "off", "owner": "the orders team"}
    before = {"switches": {"exports": off, "reports": off | {"value": "on", "state": "on"}}}
    text = told(APPLICATION | {"before": before})
    assert "Switched off: exports (EXPORT_MODE=off); the orders team turns it on again." in text
    assert "reports" not in text
    nobody = {"switches": {"exports": off | {"owner": None}}}
    assert "the settings name no owner to turn it on again." in told(APPLICATION | {"before": before, "after": nobody})
    assert "Switched off" not in told(
        APPLICATION | {"before": before, "after": {"switches": {"exports": off | {"state": "on"}}}}
    )
