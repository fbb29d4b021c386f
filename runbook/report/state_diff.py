"""Two snapshots of production, side by side: what a rollback changes, and what it must not."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from runbook.incident.production_facts import Snapshot, Unknown
from runbook.release import LOCAL, digest_told
from runbook.text import counted

NOT_THERE = "not there"


@dataclass(frozen=True)
class Row:
    """One row of before and after: the subject, both values, and whether it must stay the same."""

    group: str
    name: str
    before: str
    after: str | None
    must_stay: bool = False
    #: Whether it is still the same object. A container with another health is; a recreated container is not.
    same: bool = True
    #: Whether it is unknown in one of the snapshots.
    unknown: bool = False
    #: Whether the value before is certain: known, and more than a local image id.
    sure: bool = True

    @property
    def changed(self) -> bool:
        """Whether before and after differ."""
        return self.after is not None and self.before != self.after

    @property
    def kept(self) -> bool:
        """Whether it had to stay the same, and did."""
        return self.must_stay and self.after is not None and self.same and self.sure

    @property
    def broken(self) -> bool:
        """Whether it had to stay the same, and changed."""
        return self.must_stay and self.after is not None and not self.same and not self.unknown

    @property
    def unchecked(self) -> bool:
        """Whether it had to stay the same, and that could not be checked."""
        return self.must_stay and self.after is not None and self.unknown


def compared(before: Snapshot, later: Snapshot | None, must_stay: Collection[str] = ()) -> list[Row]:
    """Return the rows of two snapshots, in the order of the first. Without a second one nothing counts as changed.

    `must_stay` names what must not change: `release`, `schema`, `switches`, and `other containers` (those of services
    that are not rolled back).
    """
    first, second = _lines(before), _lines(later) if later else {}
    names = dict.fromkeys([*first, *second])
    rows = []
    for group, name in sorted(names, key=lambda key: _GROUPS.index(key[0])):
        was, now = first.get((group, name), _MISSING), second.get((group, name), _MISSING)
        duty = was.duty in must_stay or was.duty == _ALWAYS
        same, unknown = was.identity == now.identity, was.unknown or now.unknown
        sure = not was.unknown and not was.local
        rows.append(Row(group, name, was.words, now.words if later else None, duty, same, unknown, sure))
    return rows


_ALWAYS = "always"
_GROUPS = ("Release", "Containers", "Database", "Users", "Switches", "Env file", "Logs")


class _Line(NamedTuple):
    """One item of a snapshot: its words, its `must_stay` name, and the value that is compared."""

    group: str
    name: str
    words: str
    duty: str = ""
    identity: str = ""
    #: Whether it is unknown.
    unknown: bool = False
    #: Whether only the local id of the image is known.
    local: bool = False


_MISSING = _Line("", "", NOT_THERE)


def _lines(snapshot: Snapshot) -> dict[tuple[str, str], _Line]:
    told = (line if line.identity else line._replace(identity=line.words) for line in _told(snapshot))
    return {(line.group, line.name): line for line in told}


def _told(snapshot: Snapshot) -> Iterator[_Line]:
    yield _Line("Release", "image tag", ", ".join(snapshot.tags), "release")
    for service, digest in sorted(snapshot.digests.items()):
        local = digest.startswith(LOCAL)
        yield _Line("Release", f"digest of {service}", digest_told(digest), "release", local=local)
    for container in snapshot.containers:
        duty = "" if container.service in snapshot.digests else "other containers"
        identity = f"{container.id[:12]}, {counted(container.restarts, 'restart')}"
        state = container.state if container.health == "none" else f"{container.state}, {container.health}"
        yield _Line("Containers", container.name, f"{identity}, {state}", duty, identity)
    yield _seen("Database", "schema revision", snapshot.revisions, "schema")
    yield _seen("Users", "traffic gate", snapshot.gate)
    if snapshot.public:
        yield _Line("Users", "public address", snapshot.public.seen)
    yield _seen("Users", "readiness", snapshot.readiness)
    for name, switch in sorted(snapshot.switches.items()):
        yield _Line("Switches", name, f"{switch.state} ({switch.variable}={switch.value})", "switches")
    switches = {switch.variable for switch in snapshot.switches.values()}
    for key, value in snapshot.env_file.items():
        if key in _ENV_FILE:
            yield _Line("Env file", _ENV_FILE[key], value, _ALWAYS if key in ("path", "mode", "owner") else "")
        else:
            yield _Line("Env file", key, value, "switches" if key in switches else "")
    yield _seen("Logs", "errors in recent logs", snapshot.log_errors)


_ENV_FILE = {"path": "path", "sha256": "fingerprint (SHA-256)", "mode": "mode", "owner": "owner"}


def _seen(group: str, name: str, value: Any, duty: str = "") -> _Line:
    words = str if isinstance(value, Unknown) else _IN_WORDS.get(name, _words)
    return _Line(group, name, words(value), duty, unknown=isinstance(value, Unknown))


def _errors(errors: Mapping[str, int]) -> str:
    return str(sum(errors.values()))


def _readiness(readiness: Mapping[str, Any]) -> str:
    answer = readiness.get("answer")
    if not isinstance(answer, Mapping):
        return str(answer)
    bad = [str(name) for name, value in answer.items() if value is False]
    return f"HTTP {readiness.get('status')}{': false for ' + ', '.join(bad) if bad else ''}"


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


_IN_WORDS = {"readiness": _readiness, "errors in recent logs": _errors}
