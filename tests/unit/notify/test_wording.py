"""The text about a restore: before it is made, and afterwards with the rows of both databases."""

from typing import Any

import pytest

from runbook.incident.facts import Facts
from runbook.incident.schema_facts import RowsOf
from runbook.notify.wording import restore_told, rows_told, schema_told
from tests.support.incident_facts import APPLICATION, RESTORED, TO_RESTORE

KEPT = "shop_before_20251218030000"


def test_restore_is_told_from_its_facts() -> None:
    """The text of a restore has the dump, its size and hash, the data loss, revisions, rows and restore point."""
    told = schema_told(Facts.model_validate(RESTORED), "Restore point: /srv/i-1.dump.")
    assert told == [
        "The database shop has the contents of a dump of 2025-12-17 03:00:00 UTC.",
        f"Dump, on the production host: /srv/shop/.runbook/good.dump, 815 bytes, sha256 {'cd' * 32}.",
        f"Data loss: everything written since then is only in the kept database {KEPT}.",
        "Revisions: r2 before, r1 now.",
        "Rows: public.notes no table, before 7; public.orders 2, before 4; the same in 1 table.",
        "Restore point: /srv/i-1.dump.",
    ]
    assert schema_told(Facts.model_validate(RESTORED), "") == told[:-1]


def test_restore_to_come_is_known_but_for_its_rows() -> None:
    """A planned restore has all facts except its rows."""
    restore = restore_told(Facts.model_validate(TO_RESTORE))
    assert restore is not None
    assert restore.rows == "[how many, not known yet]"
    assert restore.application_stopped
    assert restore_told(Facts.model_validate(APPLICATION)) is None


@pytest.mark.parametrize(
    ("after", "application_stopped"),
    [
        ({}, True),
        ({"after": {"unknown": "no engine"}}, True),
        ({"after": {"digests": {"api": "x"}, "containers": [("api", "exited"), ("db", "running")]}}, True),
        ({"after": {"digests": {"api": "x"}, "containers": [("api", "running"), ("db", "running")]}}, False),
        ({"after": {"digests": {"api": "x"}, "containers": [("api", "restarting")]}}, False),
    ],
)
def test_application_is_said_to_stand_still_as_it_was_seen(after: dict[str, Any], *, application_stopped: bool) -> None:
    """The application counts as stopped unless an observation after the restore saw it running."""
    for look in after.values():
        if "containers" in look:
            names = [{"id": name, "name": name, "service": name, "state": state} for name, state in look["containers"]]
            look["containers"] = names
    restore = restore_told(Facts.model_validate(RESTORED | after))
    assert restore is not None
    assert restore.application_stopped is application_stopped


def test_what_is_not_known_of_a_restore_is_said() -> None:
    """Unknown size, time and revisions of a restore are named as unknown."""
    bare = {"path": "/d", "sha256": "cd" * 32, "database": "shop", "kept_as": "shop_before"}
    told = " ".join(schema_told(Facts.model_validate({"restored": bare}), ""))
    for words in ("a dump of an unknown time", "unknown bytes", "not known before, no revision now", "in 0 tables"):
        assert words in told


def test_many_tables_are_told_in_short() -> None:
    """Of many tables the first that differ are listed, and the others are counted."""
    rows = [RowsOf(table=f"t{number}", restored=0, before=number) for number in range(9)]
    told = rows_told(rows)
    assert told.startswith("t1 0, before 1; ")
    assert told.endswith("t6 0, before 6; 2 more tables differ; the same in 1 table")
