"""Hashes of the runbook's features, code and settings, to notice a change before an incident is resumed."""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_CODE = ("runbook", "harness", "steps")


def text_of(features: Iterable[Path], settings: Path | None = None) -> dict[str, str]:
    """Return the hashes of these features, of the code, and of the settings file if it is given."""
    roots = [Path(module.__file__).parent for name in _CODE if (module := sys.modules.get(name)) and module.__file__]
    code = [(f"{root.name}/{path.relative_to(root)}", path) for root in roots for path in root.rglob("*.py")]
    named = {"settings": _hash([("settings", settings)])} if settings else {}
    return {"features": _hash((path.name, path) for path in features), "code": _hash(code)} | named


def others(begun: Sequence[Mapping[str, Any]], now: Mapping[str, str]) -> list[str]:
    """Return the names of the texts that differ from the newest of the `begun` runs; empty if that has no hashes."""
    before = begun[-1].get("text", now)
    return [name for name, value in now.items() if before.get(name, value) != value]


def _hash(files: Iterable[tuple[str, Path]]) -> str:
    whole = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()
