"""Containers and networks that a killed run left are removed once they are overdue, and no others."""

import time
from pathlib import Path

from runbook.migrations.image.contained import LABEL, contained, remove_overdue, sweep
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import production
from tests.support.parts import Heard


def swept(folder: Path, **until: str | None) -> list[tuple[str, ...]]:
    """Return the commands that run when there are probes with these expiry times, and containers of others."""
    labels = {name: {LABEL: "1"} | ({f"{LABEL}.until": text} if text else {}) for name, text in until.items()}
    probes = [container(name, Name=f"/rollback-runbook-probe-{name}", labels=labels[name]) for name in until]
    other = {LABEL: "1", f"{LABEL}.until": "1000"}
    strangers = [container("x1", labels=other), container("x2", Name="/rollback-runbook-probe-x2")]
    heard = Heard()
    host = production(folder, heard, {"container rm": ""}, FakeEngine([*probes, *strangers])).host
    remove_overdue(host, 10)
    return [command.argv for command in heard.began]


def test_only_what_is_overdue_is_removed(tmp_path: Path) -> None:
    """A container that is not overdue, has no expiry time, or has an invalid one is kept."""
    later = int(time.time()) + 60
    (removed,) = swept(tmp_path, c1="1000", c2=str(later), c3=None, c4="soon", c5="1001")
    assert removed == ("docker", "container", "rm", "--force", "--volumes", "c1", "c5")
    assert swept(tmp_path, c2=str(later)) == []


def test_time_is_on_every_container() -> None:
    """The expiry time allows two runs, each up to its deadline."""
    argv = contained("image", "python3", program=b"", deadline=100, now=time.time()).argv
    (until,) = (word for word in argv if word.startswith("io.rollback-runbook.probe.until="))
    assert 200 <= int(until.partition("=")[2]) - time.time() <= 400


def test_sweep_that_fails_stops_no_question(tmp_path: Path) -> None:
    """If the containers cannot be listed, no error is raised, so that the image is still asked."""
    remove_overdue(production(tmp_path, Heard(), {}).host, 10)


def test_networks_are_removed_without_force(tmp_path: Path) -> None:
    """A network is removed without --force, so docker refuses if it is in use."""
    heard = Heard()
    engine = FakeEngine(networks=[{"Id": "n1", "Name": "n", "Labels": {"mine": "", "until": "1000"}}])
    host = production(tmp_path, heard, {"network rm": ""}, engine).host
    sweep(host, "network", {"label": "mine"}, "until", 10)
    assert heard.began[0].argv == ("docker", "network", "rm", "n1")
