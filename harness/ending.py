"""The last lines on the terminal: what was changed, what production is now, and what to type next."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.options import Run
from runbook.incident.incident import Incident
from runbook.toolbox import Wishes


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
    wishes = _wished(run.wishes)
    to = ["--to", target] if target and not run.wishes.forward_fix and "emergency" not in run.kind else []
    marks = ["-m", "emergency"] if "emergency" in run.kind else []
    again = _command(run, *marks, *to, *wishes, "--execute", name)
    closed = isinstance(after, Mapping) and after["gate"] == "closed"
    if ending == "planned":
        return [f"to carry it out, type: {again}"]
    if ending == "passed" or not (incident.changes_made or closed):
        return []
    go_on = f"to go on, type: {again}    (what is done already is not done twice)"
    if marks:
        return [go_on]
    return [go_on, f"to return to another release instead: {_command(run, '--to', 'TAG', '--execute', name)}"]


def _wished(wishes: Wishes) -> list[str]:
    """The options that were typed, but for the target, which the incident knows."""
    given = {
        "--forward-fix": wishes.forward_fix,
        "--accept-loss": wishes.accept_loss,
        "--verdict": wishes.verdict,
        "--because": wishes.because,
        "--enable": wishes.enable,
        "--disable": wishes.disable,
    }
    return [word for option, value in given.items() if value for word in (option, value)]


def _command(run: Run, *options: str) -> str:
    pytest = Path(sys.prefix) / "bin/pytest"
    program = os.path.relpath(pytest, run.started_in) if pytest.is_file() else "pytest"
    settings = ["--settings", run.settings_given] if run.settings_given else []
    return shlex.join([program, run.features, *settings, *options])
