"""A shop whose traffic gate is a file that the gate's commands write, for tests of chapters that turn the gate."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runbook.production.service.traffic import TrafficGate
from runbook.settings.application import ServiceCommand, TrafficSettings
from tests.support.incident_parts import incident
from tests.support.parts import host, production


def saying(word: str) -> ServiceCommand:
    return ServiceCommand(command=("sh", "-c", f"echo {word} > gate"))


def shop(folder: Path, said: str = "open", *, may_hold: bool = True, gate: bool = True) -> Any:
    """An incident and its gate in the state `said`, which can hold if `may_hold`; without `gate` there is none."""
    folder.mkdir(exist_ok=True)
    (folder / "gate").write_text(f"{said}\n")
    calls = {
        "pause": saying("closed"), "resume": saying("open"), "state": ServiceCommand(command=("cat", "gate")),
    }  # fmt: skip
    calls |= {"hold": saying("held")} if may_hold else {}
    settings = TrafficSettings(public_url="http://127.0.0.1:1", hold_seconds=2, **(calls if gate else {}))
    found = incident(folder)
    found.step_began({"id": "2.3.2", "keyword": "When", "text": "it is turned"}, may_change=True)
    http: Any = None
    return SimpleNamespace(
        incident=found,
        gate=TrafficGate(production(folder), http, settings, 0.1),
        host=host(),
        open_rollback=SimpleNamespace(read=lambda: None),
    )
