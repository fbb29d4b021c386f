"""Approvals: who decided what, when and why, each listed once over all runs of an incident."""

from typing import Any

from runbook.journal.journal import Entry
from runbook.report.follow_up.approvals import Approval, approvals


def entry(kind: str, **facts: Any) -> Entry:
    return {"kind": kind, "time": "2025-12-18T03:00:00Z", **facts}


def opened(operator: str = "ada", kind: str = "opened", **options: Any) -> Entry:
    return entry(kind, operator=operator, asked_for={"target": None, "verdict": None, "override": []} | options)


def decision(*option: str) -> Entry:
    about = {"question": "verdict", "text": "?", "answer": "", "evidence": []}
    return entry("decision", by_human=True, option=list(option), **about)


def test_nothing_was_decided_by_hand() -> None:
    """A run without decisions by a person has no approvals, and neither has a journal of an older version."""
    assert approvals([opened()]) == []
    assert approvals([entry("opened", asked_for=None)]) == []


def test_each_is_told_once_with_who_typed_it_first() -> None:
    """An approval that a resumed run repeats is listed once, under the person who typed it first."""
    first = opened(accept_loss="0004", target="v1")
    second = opened("bob", "resumed", accept_loss="0004", target="v1", verdict="breaking", because="I read it")
    told = approvals([first, second, decision("--accept-loss", "0004")])
    assert [(each.option, each.by, each.because, each.used) for each in told] == [
        ("--to v1", "ada", "", True),
        ("--accept-loss 0004", "ada", "", True),
        ("--verdict breaking", "bob", "I read it", False),
    ]


def test_verdict_that_counted() -> None:
    """A human's verdict counts as used if the runbook's verdict was `review`."""
    (told,) = approvals([opened(verdict="additive", because="x"), decision("--verdict", "additive")])
    assert told.used


def test_loss_that_was_not_asked_for() -> None:
    """An accepted loss counts as unused if there was no downgrade."""
    (told,) = approvals([opened(accept_loss="0004")])
    assert not told.used


def test_override() -> None:
    """Each override names its step if the step ran, and whether it was needed."""
    word = {"by": "ada", "because": "I looked", "at": "2025-12-18T02:00:00Z"}
    entries = [
        opened(override=["5.1.2", "5.1.3"], because="I looked"),
        entry("fact", name="overrides", value={"5.1.2": word, "5.1.3": word}),
        entry("scenario began", scenario="S", feature="F"),
        entry("step began", id="5.1.2", keyword="Then", text="metrics are scraped", scenario="S", place="f:1"),
        entry("step ended", outcome="inconclusive", detail="ada vouches for it", seconds=1),
        entry("scenario ended", scenario="S", outcome="passed", provides=[]),
    ]
    meaning = "continue, although this step failed or was inconclusive"
    assert approvals(entries) == [
        Approval("--override 5.1.2", meaning, "ada", word["at"], "I looked", "Then metrics are scraped", used=True),
        Approval("--override 5.1.3", meaning, "ada", word["at"], "I looked", "", used=False),
    ]
