"""The disk space for a restore point is checked before traffic is paused."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.migrating.room import for_restore_point
from runbook.errors import Inconclusive
from runbook.settings.database import DatabaseSettings
from tests.support.incident_parts import incident, production

HEAD = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"


def context(folder: Path, inside: str, tables: int, elsewhere: object = None) -> Any:
    found = incident(folder)
    there = production(folder, found, {"exec -T db df -P -k /tmp": inside} if inside else {})
    database = SimpleNamespace(ask=lambda _query: [[str(tables)]], server=SimpleNamespace(elsewhere=elsewhere))
    settings = SimpleNamespace(database=DatabaseSettings(user="shop", name="shop"))
    return SimpleNamespace(incident=found, host=there.host, production=there, database=database, settings=settings)


def test_room_enough_in_both_places(tmp_path: Path) -> None:
    """A small database fits on the host and in the database's container."""
    seen = for_restore_point(context(tmp_path, f"{HEAD}overlay 123456 1 100000 1% /tmp\n", 1 << 20)).observe()
    assert seen.ok, seen.seen
    assert "97.7 MiB free in /tmp of the service db; at most 1.0 MiB needed" in seen.seen


@pytest.mark.parametrize(("available", "tables"), [(512, 1 << 20), (100_000, 1 << 50)])
def test_too_little_room(tmp_path: Path, available: int, tables: int) -> None:
    """Too little space in the container or on the host fails the check; a person may accept that."""
    check = for_restore_point(context(tmp_path, f"{HEAD}overlay 123456 1 {available} 1% /tmp\n", tables))
    assert not check.observe().ok
    assert check.acceptable


def test_one_disk_has_both(tmp_path: Path) -> None:
    """If the container's disk is the host's, it must have space for both dumps."""
    disk = os.statvfs(tmp_path)
    blocks, free = disk.f_blocks * disk.f_frsize // 1024, disk.f_bavail * disk.f_frsize
    answer = f"{HEAD}overlay {blocks} 1 {free // 1024} 1% /tmp\n"
    assert not for_restore_point(context(tmp_path, answer, int(free * 0.7))).observe().ok


def test_room_that_is_not_told(tmp_path: Path) -> None:
    """Unknown free space is inconclusive; for an external database only the host's disk counts."""
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(Inconclusive, match="the free disk space is unknown"):
        for_restore_point(context(tmp_path, "", 1)).observe()
    assert for_restore_point(context(other, "", 1, elsewhere=object())).observe().ok
