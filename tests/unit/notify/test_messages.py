"""What people are told, by the way that production went."""

from typing import Any

import pytest

from runbook.notify.messages import announcement, ticket

POINT = {"path": "/srv/shop/.runbook/i-1.dump", "size": 4711, "sha256": "ab" * 32}
FACTS: dict[str, Any] = {
    "origin": {"tags": ["v2"], "digests": {"api": "sha256:aa"}},
    "target": {"tag": "v1", "digests": {}},
    "schema": ["r2"],
    "target migrations": {"graph": {"heads": ["r1"]}},
}
APPLICATION = FACTS | {"strategy": "image-only", "verdict": {"verdict": "additive"}}
DOWNGRADE = FACTS | {
    "strategy": "downgrade",
    "verdict": {"verdict": "breaking"},
    "restore point": POINT,
    "loss": ["column orders.note: 2 rows hold values"],
}
FORWARD = FACTS | {
    "strategy": "forward-fix",
    "target": {"tag": "v3", "digests": {}},
    "target migrations": {"graph": {"heads": ["r3"]}},
}


def told(facts: dict[str, Any]) -> str:
    return "\n".join(announcement("i-1", "shop", facts, "0" * 64, "3.5") + ticket("shop", facts))


@pytest.mark.parametrize(
    ("facts", "words", "not_words"),
    [
        pytest.param(
            APPLICATION, ["was rolled back from v2 to v1", "The schema stays at r2"], ["downgraded", "drift"], id="app"
        ),
        pytest.param(
            DOWNGRADE,
            [
                "was rolled back from v2 to v1",
                "The schema was downgraded to r1",
                POINT["path"],
                "4711 bytes",
                POINT["sha256"],
                "Reconcile the data drift",
                "column orders.note: 2 rows hold values",
            ],
            ["stays at"],
            id="downgrade",
        ),
        pytest.param(
            FORWARD,
            ["went forward from v2 to v3", "gone forward to v3", "migrated on to r3", "Follow-up to v2, mended by v3"],
            ["rolled back", "restore point", "ship a forward-fix"],
            id="forward",
        ),
    ],
)
def test_people_read_which_way_it_went(facts: dict[str, Any], words: list[str], not_words: list[str]) -> None:
    """Announcement and ticket say the way, what became of the schema, and what is left to do; and no other way's."""
    text = told(facts)
    assert [word for word in words if word not in text] == []
    assert [word for word in not_words if word in text] == []


def test_restore_point_of_a_run_that_broke_off_is_told() -> None:
    """Who goes on after the downgrade goes back with the images alone, and people still read where the data is."""
    text = told(APPLICATION | {"verdict": {"verdict": "unchanged"}, "restore point": POINT})
    assert "An earlier run, which broke off" in text
    assert POINT["path"] in text
    assert "Reconcile the data drift" in text


def test_what_is_not_on_record_is_said_to_be_unknown() -> None:
    """A downgrade whose restore point is not on record says so."""
    text = told(FACTS | {"strategy": "downgrade"})
    assert "on the production host: unknown, unknown bytes, sha256 unknown" in text


def test_switch_that_is_left_off_is_told() -> None:
    """People read what users still miss and who gives it back; a switch that is on is no news."""
    off = {"variable": "EXPORT_MODE", "value": "off", "state": "off", "owner": "the orders team"}
    on = off | {"value": "on", "state": "on"}
    before = {"switches": {"exports": off, "reports": on}}
    facts = APPLICATION | {"before": before}
    for text in (announcement("i-1", "shop", facts, "", "3.5")[1], ticket("shop", facts)[1]):
        assert "Switched off: exports (EXPORT_MODE=off); the orders team turns it on again." in text
        assert "reports" not in text
    nobody = {"switches": {"exports": off | {"owner": None}}}
    assert "nobody is named who turns it on again" in told(APPLICATION | {"before": before, "after": nobody})
    assert "Switched off" not in told(APPLICATION | {"before": before, "after": {"switches": {"exports": on}}})
