"""The journal of an incident on several hosts, as each of them writes and reads it."""

from collections.abc import Sequence
from typing import Any

from runbook.journal.journal import Entry, Journal

#: The entries of a step and its scenario, which may be one for all hosts.
_OF_STEPS = ("scenario began", "scenario ended", "scenario left out", "step began", "step ended")
#: What begins or ends a run on all of its hosts.
_OF_ALL = ("opened", "resumed", "plan", "closed")


class HostJournal(Journal):
    """The same journal, into which each entry is written with its host's name; only entries of it are read."""

    def __init__(self, whole: Journal, host: str) -> None:
        # It opens no file of its own.
        self._whole = whole
        self.host = host
        #: Whether the step that is open is one for all hosts.
        self.steps_of_all = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def entries(self) -> list[Entry]:  # type: ignore[override]  # read, and never set from outside
        """Those of this host, and those of all hosts."""
        return entries_of(self._whole.entries, self.host)

    @property
    def head(self) -> str:
        """The hash of the newest entry of all."""
        return self._whole.head

    def write(self, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        """Append one entry, with the host's name. Raises JournalError as the whole does."""
        named = {} if self.steps_of_all and kind in _OF_STEPS else {"on": self.host}
        return self._whole.write(kind, sync=sync, **named, **facts)

    def make_room(self) -> None:
        """Free the reserved space."""
        self._whole.make_room()

    def close(self) -> None:
        """Close the whole."""
        self._whole.close()


def hosts_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The names of the hosts of an incident, the canary first. Empty for a single host."""
    begun = [entry for entry in entries if entry["kind"] in ("opened", "resumed")]
    named = [str(each["name"]) for entry in begun for each in entry.get("hosts") or ()]
    return tuple(dict.fromkeys(named))


def entries_of(entries: Sequence[Entry], host: str) -> list[Entry]:
    """The entries about this host: its own, and those of all hosts."""
    return [entry for entry in entries if entry["kind"] in _OF_ALL or entry.get("on") in (None, host)]
