"""Two looks at production, side by side: what a rollback changes, and what it must not."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NOT_THERE = "not there"


@dataclass(frozen=True)
class Row:
    """One line of before and after: what, how it was, how it is, and whether it must stay as it was."""

    group: str
    name: str
    before: str
    after: str | None
    must_stay: bool = False

    @property
    def changed(self) -> bool:
        """Tell whether before and after differ."""
        return self.after is not None and self.before != self.after

    @property
    def kept(self) -> bool:
        """Tell whether it must stay as it was, and did."""
        return self.must_stay and self.after == self.before and not self.before.startswith("unknown")

    @property
    def broken(self) -> bool:
        """Tell whether it must stay as it was, and is something else now."""
        return self.must_stay and self.changed


def compared(before: Mapping[str, Any], later: Mapping[str, Any] | None, must_stay: Collection[str] = ()) -> list[Row]:
    """Every line of two snapshots, in the order of the first; without a second one nothing counts as changed.

    `must_stay` names what may not change: `release`, `schema`, and `other containers`, those of the services that are
    not rolled back.
    """
    first, second = _lines(before), _lines(later) if later else {}
    names = dict.fromkeys([*first, *second])
    rows = []
    for group, name in sorted(names, key=lambda key: _GROUPS.index(key[0])):
        was, duty = first.get((group, name), (NOT_THERE, ""))
        now, _ = second.get((group, name), (NOT_THERE, "")) if later else (None, "")
        rows.append(Row(group, name, was, now, duty in must_stay or duty == _ALWAYS))
    return rows


_ALWAYS = "always"
_GROUPS = ("Release", "Containers", "Database", "Users", "Switches", "Env file", "Logs")

_Lines = dict[tuple[str, str], tuple[str, str]]


def _lines(snapshot: Mapping[str, Any]) -> _Lines:
    """What a snapshot says, in words, by group and name; and by which name it is told to stay as it was."""
    return {(group, name): (words, duty) for group, name, words, duty in _told(snapshot)}


def _told(snapshot: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    yield "Release", "image tag", ", ".join(snapshot["tags"]), "release"
    for service, digest in sorted(snapshot["digests"].items()):
        yield "Release", f"digest of {service}", digest, "release"
    for container in snapshot["containers"]:
        duty = "" if container["service"] in snapshot["digests"] else "other containers"
        name, health = container["name"], container["health"]
        state = container["state"] if health == "none" else f"{container['state']}, {health}"
        yield "Containers", name, container["id"][:12], duty
        yield "Containers", f"{name}: state", state, ""
        yield "Containers", f"{name}: restarts", str(container["restarts"]), ""
    yield "Database", "schema revision", _words(snapshot["schema"]), "schema"
    yield "Users", "traffic gate", _words(snapshot["gate"]), ""
    yield "Users", "readiness", _readiness(snapshot["readiness"]), ""
    for name, switch in sorted(snapshot.get("switches", {}).items()):
        yield "Switches", name, f"{switch['state']} ({switch['variable']}={switch['value']})", "switches"
    env_file = snapshot["env_file"]
    switches = {switch["variable"] for switch in snapshot.get("switches", {}).values()}
    for key, value in env_file.items():
        if key in _ENV_FILE:
            yield "Env file", _ENV_FILE[key], str(value), _ALWAYS if key in ("path", "mode", "owner") else ""
        else:
            yield "Env file", key, str(value), "switches" if key in switches else ""
    errors = snapshot["log_errors"]
    counted = str(sum(errors.values())) if isinstance(errors, Mapping) else _words(errors)
    yield "Logs", "errors in recent logs", counted, ""


_ENV_FILE = {"path": "path", "sha256": "fingerprint (SHA-256)", "mode": "mode", "owner": "owner"}


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
