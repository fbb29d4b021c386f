"""The journal of an incident on several hosts, as one host writes and reads it."""

from collections.abc import Sequence
from typing import Any

from runbook.journal.journal import Entry, Journal

#: The entries of a step and its scenario. Some steps are for all hosts.
_OF_STEPS = ("scenario began", "scenario ended", "scenario left out", "step began", "step ended")
#: The entries that begin or end a run on all of its hosts.
_OF_ALL = ("opened", "resumed", "plan", "closed")


class HostJournal(Journal):
    """The same journal, limited to one host: it adds the host's name to each entry, and reads only its entries."""

    def __init__(self, whole: Journal, host: str) -> None:
        # No super().__init__(): that would open a file.
        self._whole = whole
        self.host = host
        #: Whether the current step is for all hosts.
        self.steps_of_all = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def entries(self) -> list[Entry]:  # type: ignore[override]  # never set from outside
        """The entries about this host, and those about all hosts."""
        return entries_of(self._whole.entries, self.host)

    @property
    def head(self) -> str:
        """The hash of the newest entry in the file."""
        return self._whole.head

    def write(self, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        """Append one entry with the host's name. Raises JournalError as `Journal.write` does."""
        named = {} if self.steps_of_all and kind in _OF_STEPS else {"on": self.host}
        return self._whole.write(kind, sync=sync, **named, **facts)

    def make_room(self) -> None:
        """Free the reserved disk space."""
        self._whole.make_room()

    def close(self) -> None:
        """Close the file, for all hosts."""
        self._whole.close()


def hosts_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the names of the hosts of an incident, the canary first. Empty for a single host."""
    begun = [entry for entry in entries if entry["kind"] in ("opened", "resumed")]
    named = [str(each["name"]) for entry in begun for each in entry.get("hosts") or ()]
    return tuple(dict.fromkeys(named))


def entries_of(entries: Sequence[Entry], host: str) -> list[Entry]:
    """Return the entries about this host, and those about all hosts."""
    return [entry for entry in entries if entry["kind"] in _OF_ALL or entry.get("on") in (None, host)]
