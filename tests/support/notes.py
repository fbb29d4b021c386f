"""The ledger and the quarantine of a production, for tests."""

import json
from pathlib import Path
from typing import Any

from runbook.actions import Action
from runbook.release import ImageName, Release
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.quarantine import Quarantine
from runbook.targets.selection import Choice, choose
from tests.support.parts import host, production

NAMES = {"v1": "1", "v2": "2", "v3": "3"}


def digests(mark: str) -> dict[str, str]:
    return {"api": f"sha256:{mark * 64}", "jobs": f"sha256:{(mark + 'a') * 32}"}


def release(tag: str) -> Release:
    images = {service: ImageName.parse(f"registry.example/shop/{service}:{tag}") for service in ("api", "jobs")}
    return Release(tag, images, digests(NAMES[tag]))


def line(tag: Any, **more: Any) -> dict[str, Any]:
    known = digests(NAMES.get(tag, "9")) if isinstance(tag, str) else {}
    return {"tag": tag, "digests": known, "validated_at": "2025-12-15T10:00:00Z", "validated_by": "i-1"} | more


def quarantined(digest: str, tag: str = "v3") -> dict[str, Any]:
    return {"tag": tag, "service": "api", "digest": digest, "incident": "i-9", "since": "2025-12-17T03:00:00Z"}


def write_notes(folder: Path, **notes: Any) -> None:
    """Write these files of `.runbook/`. A string is written unchanged; None writes no file."""
    for name, lines in notes.items():
        if lines is not None:
            (folder / ".runbook").mkdir(exist_ok=True)
            text = lines if isinstance(lines, str) else "".join(json.dumps(item) + "\n" for item in lines)
            (folder / ".runbook" / f"{name}.jsonl").write_text(text)


def ledger_of(folder: Path, ledger: Any = None) -> Ledger:
    write_notes(folder, known_good=ledger)
    return Ledger(production(folder))


def quarantine_of(folder: Path, quarantine: Any = None) -> Quarantine:
    write_notes(folder, quarantine=quarantine)
    return Quarantine(production(folder))


class Remembered:
    """A ledger and a quarantine, from which a target is chosen as in chapter 1."""

    def __init__(self, folder: Path, ledger: Any = None, quarantine: Any = None) -> None:
        self.ledger = ledger_of(folder, ledger)
        self.quarantine = quarantine_of(folder, quarantine)

    def choose(self, failed_tags: list[str], asked_for: str | None) -> Choice:
        return choose(
            self.ledger.candidates(),
            failed_tags,
            asked_for,
            quarantine_reason=self.quarantine.reason,
            rollbacks=self.quarantine.incidents(),
        )


def execute(change: Action) -> None:
    for command in change.commands:
        host().check(command)  # type: ignore[arg-type]
