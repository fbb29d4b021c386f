"""What a killed run left beside production goes once its time is over, and nothing else does."""

import time
from pathlib import Path

from runbook.migrations.image.contained import contained, remove_overdue, sweep
from tests.support.incident_parts import production
from tests.support.parts import Heard


def swept(folder: Path, listed: str) -> list[tuple[str, ...]]:
    heard = Heard()
    host = production(folder, heard, {"container ls": listed, "container rm": ""}).host
    remove_overdue(host, 10)
    return [command.argv for command in heard.began]


def test_only_what_is_overdue_is_removed(tmp_path: Path) -> None:
    """A container at work, one that says no time and one that says an odd one stay."""
    later = int(time.time()) + 60
    asked, removed = swept(tmp_path, f"c1 1000\nc2 {later}\nc3\nc4 soon\nc5 1001\n")
    assert {"name=^rollback-runbook-probe-", "label=io.rollback-runbook.probe"} <= set(asked)
    assert removed == ("docker", "container", "rm", "--force", "--volumes", "c1", "c5")
    assert len(swept(tmp_path, f"c2 {later}\n")) == 1


def test_time_is_on_every_container() -> None:
    """Until its time is over it may be asked twice, each time to its deadline."""
    argv = contained("image", "python3", program=b"", deadline=100).argv
    (until,) = (word for word in argv if word.startswith("io.rollback-runbook.probe.until="))
    assert 200 <= int(until.partition("=")[2]) - time.time() <= 400


def test_sweep_that_fails_stops_no_question(tmp_path: Path) -> None:
    """Who cannot list them asks the image all the same, which says more of what is wrong."""
    remove_overdue(production(tmp_path, Heard(), {}).host, 10)


def test_networks_are_removed_without_force(tmp_path: Path) -> None:
    """A network that something uses stays: docker refuses."""
    heard = Heard()
    host = production(tmp_path, heard, {"network ls": "n1 1000\n", "network rm": ""}).host
    sweep(host, "network", ("label=mine",), "until", 10)
    assert heard.began[1].argv == ("docker", "network", "rm", "n1")
