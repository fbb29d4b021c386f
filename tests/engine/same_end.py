"""The final state of production, in a form in which two runs can be compared."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from rehearsal.incidents.database import columns, content_hash, sql, tables
from rehearsal.practice_production import PracticeProduction
from tests.engine.conftest import Rehearsed

_SWITCHED = ("api", "jobs")
_VOLATILE = {"validated_at", "since", "snapshot"}


def end_of(here: Rehearsed, incident: str) -> dict[str, Any]:
    """Return the state of production without the name of `incident`. Two runs that did the same give the same."""
    practice, server = here.practice, here.practice.server
    stat = here.env_file.stat()
    return {
        "services": {name: _facts(found) for name, found in _inspected(here).items() if _service(found) in _SWITCHED},
        "others": others(here),
        "networks and volumes": _things(here),
        "env file": (_sha256(here.env_file), oct(stat.st_mode), stat.st_uid, stat.st_gid),
        "files": sorted(path.name.replace(incident, "INCIDENT") for path in server.iterdir()),
        "gate": here.docker("exec", f"{practice.name}-gateway-1", "gate", "state"),
        "revision": sql(practice, "SELECT version_num FROM alembic_version ORDER BY 1"),
        "schema": {table: columns(practice, table) for table in tables(practice)},
        "orders": content_hash(practice, "orders"),
        "notes": _notes(server / ".runbook", incident),
        "tickets": sum(incident in issue["body"] for issue in _issues(here)),
        "announced": announcements(here, incident) > 0,
        "users": _users(here),
        "left at work": strays(here.practice),
    }


def others(here: Rehearsed) -> dict[str, tuple[object, ...]]:
    """Return id, start, restarts and state of each container that no rollback touches."""
    found = _inspected(here).items()
    return {name: _identity(container) for name, container in found if _service(container) not in _SWITCHED}


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """Return the differences between two final states."""
    return [f"{key}: expected {expected[key]}, seen {seen[key]}" for key in expected if expected[key] != seen[key]]


def announcements(here: Rehearsed, incident: str) -> int:
    """Return how many announcements say that the incident is over."""
    received = httpx.get(f"{here.practice.desk_url}/announcements", trust_env=False).json()
    return sum(incident in json.dumps(each) for each in received if each["type"] == "success")


def strays(practice: PracticeProduction) -> list[str]:
    """Return the commands that run on this production: on a second host those of its user, and each ssh to it."""
    found = []
    home = Path(f"/proc/{practice.second.process}/ns/net").readlink() if practice.second else None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            there = home is not None and (folder / "ns/net").readlink() == home
            uid = re.findall(r"^Uid:\t(\d+)", (folder / "status").read_text(), re.MULTILINE) if there else []
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace").strip()
        if there:
            ours = uid == ["4711"] and not line.startswith("sshd:")
        else:
            ours = practice.name in line and (home is None or line.startswith("ssh "))
        if ours and line:
            found.append(line)
    return sorted(found)


def _inspected(here: Rehearsed) -> dict[str, Any]:
    ids = [
        identity
        for project in (here.practice.name, f"{here.practice.name}-outside")
        for identity in here.docker(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}"
        ).split()
    ]
    return {found["Name"].lstrip("/"): found for found in json.loads(here.docker("inspect", *ids))}


def _service(found: Mapping[str, Any]) -> str:
    return str(found["Config"]["Labels"]["com.docker.compose.service"])


def _facts(found: Mapping[str, Any]) -> dict[str, Any]:
    labels, state = found["Config"]["Labels"], found["State"]
    return {
        "image": found["Image"],
        "image name": found["Config"]["Image"],
        "config": labels["com.docker.compose.config-hash"],
        "one-off": labels["com.docker.compose.oneoff"],
        "state": (state["Status"], state["Health"]["Status"], found["RestartCount"]),
    }


def _identity(found: Mapping[str, Any]) -> tuple[object, ...]:
    return found["Id"], found["State"]["StartedAt"], found["RestartCount"], found["State"]["Status"]


def _things(here: Rehearsed) -> list[str]:
    label = f"label=com.docker.compose.project={here.practice.name}"
    return [
        *here.docker("network", "ls", "--filter", label, "--format", "network {{.Name}}").splitlines(),
        *sorted(here.docker("volume", "ls", "--filter", label, "--format", "volume {{.Name}}").splitlines()),
    ]


def _notes(folder: Path, incident: str) -> dict[str, object]:
    """Return what the runbook keeps on the host: lines without their times, copies by their hash."""
    found: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.replace(incident, "INCIDENT")
        if path.suffix == ".jsonl":
            lines = [json.loads(line.replace(incident, "INCIDENT")) for line in path.read_text().splitlines()]
            found[name] = [{key: line[key] for key in line.keys() - _VOLATILE} for line in lines]
        elif path.is_dir():  # release snapshots, each with a different salt
            found[name] = sorted((each.name, oct(each.stat().st_mode)) for each in path.iterdir())
        else:
            found[name] = (_sha256(path), oct(path.stat().st_mode))
    return found


def _issues(here: Rehearsed) -> list[dict[str, Any]]:
    token = (here.practice.folder / "secrets/ticket_token").read_text().strip()
    url = f"{here.practice.desk_url}/api/v3/repos/shop/shop/issues?state=all&per_page=100"
    headers = {"Authorization": f"Bearer {token}"}
    found: list[dict[str, Any]] = []
    while url:
        answer = httpx.get(url, headers=headers, trust_env=False)
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    return found


def _users(here: Rehearsed) -> dict[str, object]:
    orders, ready = here.practice.ask("/orders"), here.practice.ask("/readyz")
    return {"orders": (orders.status_code, orders.headers.get("X-Release")), "ready": ready.json()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
