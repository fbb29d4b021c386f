"""Records in a folder of reports, of incidents at any time, with journals sealed by the documented rule."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def opened(kind: str = "rollback", **more: Any) -> Entry:
    facts = {"format": 1, "project": "shop", "mode": "plan" if kind in ("plan", "validation") else "execute"}
    return {"kind": "opened", "type": kind, "operator": "anna", "operator_host": "laptop", **facts, **more}


def target(tag: str = "v1") -> list[Entry]:
    origin = {"tags": ["v2"], "digests": {}, "log_errors": {}}
    return [
        {"kind": "fact", "name": name, "value": value} for name, value in (("origin", origin), ("target", {"tag": tag}))
    ]


def over(after: float = 60.0) -> list[Entry]:
    """Return the entries of a rollback that brought users back to v1 `after` seconds after it began."""
    scenario = {"scenario": "Users return", "feature": "2. Roll back"}
    return [
        opened(),
        *target(),
        {"kind": "scenario began", **scenario, "description": ""},
        {"kind": "scenario ended", **scenario, "outcome": "passed", "provides": ["rolled-back"], "at": after},
        closed("passed", "rolled-back", changes=("api is brought up on v1",)),
    ]


def closed(outcome: str, *reached: str, changes: tuple[str, ...] = ()) -> Entry:
    return {
        "kind": "closed", "outcome": outcome, "changes_made": list(changes), "remaining": [], "reached": list(reached)
    }  # fmt: skip


def filed(reports: Path, began: str, entries: list[Entry], name: str = "") -> Path:
    """Write `entries` to the folder of an incident that began then, and return the folder.

    `began` looks like `2026-01-31T23:59:59`. An entry with `at` was written that many seconds after the first one.
    Other entries follow one second after the previous one.
    """
    stamp = began.replace("-", "").replace(":", "")
    folder = reports / (name or f"{stamp}Z-shop-{entries[0].get('type', 'rollback')}")
    folder.mkdir(parents=True)
    lines, previous, seconds = b"", "0" * 64, -1.0
    for number, told in enumerate(entries):
        entry = {"incident": folder.name, **told} if told["kind"] == "opened" else dict(told)
        seconds = float(entry.pop("at", seconds + 1))
        time = datetime.fromisoformat(began) + timedelta(seconds=seconds)
        head = {"seq": number, "time": f"{time.isoformat(timespec='microseconds')}Z", "kind": entry.pop("kind")}
        body = json.dumps(head | entry | {"previous": previous}, separators=(",", ":")).encode("ascii")[:-1]
        previous = hashlib.sha256(body).hexdigest()
        lines += body + f',"sha256":"{previous}"}}\n'.encode("ascii")
    (folder / "journal.jsonl").write_bytes(lines)
    return folder
