"""Two looks at production, side by side: what a rollback changes, and what it must not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of before and after: what, how it was, how it is, and whether it changed."""

    name: str
    before: str
    after: str | None

    @property
    def changed(self) -> bool:
        """Tell whether before and after differ."""
        return self.after is not None and self.before != self.after


def compared(before: Mapping[str, Any], later: Mapping[str, Any] | None) -> list[Row]:
    """Every line of two snapshots, in the order of the first; without a second one nothing counts as changed."""
    first, second = _rows(before), _rows(later) if later else {}
    names = list(dict.fromkeys([*first, *second]))
    return [Row(name, first.get(name, "-"), second.get(name, "-") if later else None) for name in names]


def _rows(snapshot: Mapping[str, Any]) -> dict[str, str]:
    rows = {"release": ", ".join(snapshot["tags"])}
    rows |= {f"digest of {service}": digest for service, digest in sorted(snapshot["digests"].items())}
    rows["schema revision"] = _words(snapshot["schema"])
    rows["traffic gate"] = _words(snapshot["gate"])
    rows["readiness"] = _readiness(snapshot["readiness"])
    for container in snapshot["containers"]:
        rows[f"container {container['name']}"] = (
            f"{container['id'][:12]} {container['state']}, {container['health']}, {container['restarts']} restarts"
        )
    errors = snapshot["log_errors"]
    rows["errors in recent logs"] = str(sum(errors.values())) if isinstance(errors, Mapping) else _words(errors)
    env_file = snapshot["env_file"]
    rows |= {f"env file {key}": str(env_file[key]) for key in env_file if key != "path"}
    return rows


def _readiness(readiness: Any) -> str:
    if not isinstance(readiness, Mapping):
        return _words(readiness)
    answer = readiness["answer"]
    if not isinstance(answer, Mapping):
        return _words(answer)
    bad = [str(name) for name, value in answer.items() if value is False]
    return f"HTTP {readiness['status']}{': false for ' + ', '.join(bad) if bad else ''}"


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
