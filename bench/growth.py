"""How the runbook's own work grows with its input: processor time and memory at one size and at ten times that size.

Needs no engine: the engine's answers, the journals and the logs are generated. Each size is measured in a separate
process.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.logs import pieces
from runbook.hosts.command import NullRecorder
from runbook.hosts.local import LocalHost
from runbook.journal.journal import FORMAT, Journal
from runbook.production.compose import Production
from runbook.production.coupling import sharing_with, waited_for_services
from runbook.production.logs.counter import ErrorCounter
from runbook.report.archive.archive import read, remember
from runbook.report.archive.index_page import write
from runbook.report.page.render import page
from runbook.secrets.redactor import Redactor
from runbook.settings.schema import Deadlines, Project
from tests.support.engine_server import FakeEngine, container

_TIMES = 10
_LABEL = "com.docker.compose"
_STEP = {"keyword": "Then", "text": "x", "scenario": "y", "place": "f:1"}
_ENTRY = {"method": "GET", "path": "/v1.47/containers/json", "seconds": 0.01, "status": 200}


def _containers(count: int) -> Callable[[], object]:
    labels = {f"{_LABEL}.project": "shop", f"{_LABEL}.oneoff": "False", f"{_LABEL}.service": "api"}
    engine = FakeEngine([container(f"c{number}", labels=labels) for number in range(count)])
    host = LocalHost(engine.environment, NullRecorder())
    project = Project.model_validate({"name": "shop", "directory": "/"})
    production = Production(host, project, Deadlines())

    def look() -> None:
        for _ in range(5):
            production.containers()
        assert not engine.is_closed  # noqa: S101 - it closes once nothing references it

    return look


def _services(count: int) -> Callable[[], object]:
    services = {f"s{number}": {"depends_on": {f"s{number - 1}": {}}} for number in range(1, count)}
    names = list(services)
    return lambda: [(waited_for_services(services), sharing_with(services, ["s1"], names)) for _ in range(20)]


def _journal(folder: Path, steps: int) -> Path:
    journal = Journal(folder / "20251218T030000Z-shop-rollback" / "journal.jsonl", Redactor())
    about = {"incident": "20251218T030000Z-shop-rollback", "project": "shop", "type": "rollback", "mode": "execute"}
    journal.write("opened", format=FORMAT, operator="x", directory="/", process=1, **about)
    journal.write("scenario began", scenario="y", feature="f", description="")
    for number in range(steps):
        journal.write("step began", id=f"1.1.{number}", **_STEP)
        for _ in range(5):
            journal.write("engine request", **_ENTRY)
        journal.write("step ended", outcome="passed", detail="x", next_step="", seconds=0.1)
    journal.close()
    return folder / "20251218T030000Z-shop-rollback" / "journal.jsonl"


def _steps(count: int) -> Callable[[], object]:
    journal = _journal(Path(tempfile.mkdtemp()), count)
    return lambda: page(journal)


def _logs(megabytes: int) -> Callable[[], object]:
    def count() -> None:
        counter = ErrorCounter()
        for piece in pieces(megabytes * 1_000_000):
            counter.feed(piece)
        counter.end()

    return count


def _archive(incidents: int) -> Callable[[], object]:
    reports = Path(tempfile.mkdtemp())
    made = _journal(reports, 20).read_bytes()
    for number in range(1, incidents):
        folder = reports / f"20251218T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-shop-rollback"
        folder.mkdir(exist_ok=True)
        (folder / "journal.jsonl").write_bytes(made)

    def look() -> None:
        found = read(reports)
        remember(reports, found)
        write(reports, found)

    return look


_GROWS: Mapping[str, tuple[Callable[[int], Callable[[], object]], int]] = {
    "containers": (_containers, 30),
    "services": (_services, 20),
    "steps in a record": (_steps, 100),
    "MB of logs": (_logs, 10),
    "incidents in the archive": (_archive, 100),
}


def measured() -> list[dict[str, Any]]:
    """Return the cost of each kind of work at its size and at ten times that: CPU seconds, and additional MiB."""
    found = []
    for name, (_, size) in _GROWS.items():
        small, large = (_alone(name, each) for each in (size, size * _TIMES))
        found.append({"what": name, "size": size, "small": small, "large": large})
    return found


def markdown(found: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = ["| what | from | to | CPU, s | times | more memory, MiB |", "| --- | --- | --- | --- | --- | --- |"]
    for each in found:
        small, large = each["small"], each["large"]
        ratio = large["cpu"] / small["cpu"] if small["cpu"] else 0.0
        lines.append(
            f"| {each['what']} | {each['size']} | {each['size'] * _TIMES} | {small['cpu']:.3f} → {large['cpu']:.3f} |"
            f" {ratio:.1f} | {small['memory']:.1f} → {large['memory']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _alone(name: str, size: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(name, size, there))
    process.start()
    there.close()
    told: dict[str, float] = json.loads(here.recv())
    process.join()
    return told


def _measure(name: str, size: int, there: Any) -> None:
    prepare, small = _GROWS[name]
    prepare(max(small // 10, 2))()  # modules loaded once are no growth
    work = prepare(size)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak, see proc(5)
    memory, began = _peak(), time.process_time()
    work()
    there.send(json.dumps({"cpu": time.process_time() - began, "memory": (_peak() - memory) / 1024}))


def _peak() -> int:
    """Return the peak memory of this process in KiB. Not `ru_maxrss`, which a child inherits from its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])
