"""The last lines on the terminal: what was changed, what production is now, and what to type next."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.options import Run
from runbook.incident.incident import Incident


def last_lines(run: Run, ending: str, incident: Incident) -> list[str]:
    """Everything that a person under stress must know when the run is over, most important last."""
    changes = incident.changes_made
    counted = "1 change was" if len(changes) == 1 else f"{len(changes) or 'no'} changes were"
    lines = [f"{ending.upper()}: {counted} made to production", *(f"  - {change}" for change in changes)]
    after = incident.facts.get("after", None if changes else incident.facts.get("before"))
    if isinstance(after, Mapping):
        lines.append(f"  production runs {_state(after)}")
    elif changes:
        lines.append(f"  what production is now is not known: {after}")
    lines += [f"  {line}" for line in _next(run, ending, incident, after)]
    return lines


def _state(snapshot: Mapping[str, Any]) -> str:
    schema = snapshot["schema"] if isinstance(snapshot["schema"], str) else ", ".join(snapshot["schema"])
    down = [item for item in snapshot["containers"] if item["state"] != "running" or item["health"] == "unhealthy"]
    ailing = "".join(f"; {item['name']} is {item['state']}, {item['health']}" for item in down)
    gate = snapshot["gate"]
    users = " (USERS ARE KEPT OUT)" if gate == "closed" else ""
    return f"{', '.join(snapshot['tags'])}; traffic gate {gate}{users}; schema {schema}{ailing}"


def _next(run: Run, ending: str, incident: Incident, after: Any) -> list[str]:
    target = incident.facts.get("target", {}).get("tag")
    name = run.settings.project.name
    again = _command(run, *(["--to", target] if target else []), "--execute", name)
    closed = isinstance(after, Mapping) and after["gate"] == "closed"
    if ending == "planned":
        return [f"to carry it out, type: {again}"]
    if ending == "passed" or not (incident.changes_made or closed):
        return []
    other = _command(run, "--to", "TAG", "--execute", name)
    return [
        f"to go on, type: {again}    (what is done already is not done twice)",
        f"to return to another release instead: {other}",
    ]


def _command(run: Run, *options: str) -> str:
    pytest = Path(sys.prefix) / "bin/pytest"
    program = os.path.relpath(pytest, run.started_in) if pytest.is_file() else "pytest"
    settings = ["--settings", run.settings_given] if run.settings_given else []
    return shlex.join([program, run.features, *settings, *options])
