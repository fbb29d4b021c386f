"""A run's view of each host: its settings, its part of the incident, and its tools."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.options import Run
from runbook.chapters.context import Context
from runbook.hosts.opening import open_host
from runbook.incident.availability_prober import AvailabilityProber
from runbook.incident.executor import Executor
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import Entry, Journal
from runbook.journal.of_host import HostJournal, entries_of
from runbook.production.remembered import Remembered
from runbook.settings.schema import Settings


class OnHost:
    """One host of a run. `name` is empty if it is the only host."""

    def __init__(self, run: Run, name: str, settings: Settings, journal: Journal) -> None:
        self.name = name
        self.settings = settings
        self._run = run
        self._journal = HostJournal(journal, name) if name else journal
        self.incident = Executor(run.incident, run.mode, self._journal)
        self.availability = AvailabilityProber.of(settings, self._journal)
        #: The canary, if this is another host.
        self.canary: OnHost | None = None
        #: What was learned of this production before the record was opened.
        self.known: Remembered | None = None
        self._tools: Context | None = None

    @property
    def context(self) -> Context:
        """The context of this production, created on first use, once the journal can record it."""
        if self._tools is None:
            first = self.canary.context if self.canary else None
            self._tools = Context(
                self.settings, self.incident, self._run.options, lambda: self.availability.summary, first, self.known
            )
        return self._tools

    def go_on_from(self, entries: Sequence[Entry], *, elsewhere: bool) -> None:
        """Take over what earlier runs of the incident did on this host."""
        self.incident.go_on_from(entries_of(entries, self.name) if self.name else entries, elsewhere=elsewhere)

    def settle(self, waiting: Callable[[str], None]) -> None:
        """Wait for commands that a killed run left running on this host."""
        settle(self._journal, waiting, open_host(self.settings.host, self.incident))

    def begin_step(self, *, of_all: bool) -> None:
        """Record whether the scenario that begins is for all hosts."""
        if isinstance(self._journal, HostJournal):
            self._journal.steps_of_all = of_all

    def fixtures(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return this host's values for those of the given step arguments that depend on the host."""
        found: dict[str, object] = {"context": self.context} if "context" in given else {}
        return found | ({"host": self.context.seen} if "host" in given else {})

    def close(self) -> None:
        """Close the open connections."""
        if self._tools is not None:
            self._tools.close()


def on_each_host(run: Run, journal: Journal) -> tuple[OnHost, ...]:
    """Return the hosts of a run, the canary first."""
    found = tuple(OnHost(run, name, settings, journal) for name, settings in run.on_each.items())
    first = found[0]
    for each in found[1:]:
        each.canary = first
    if len(found) > 1 and all(each.settings.traffic == first.settings.traffic for each in found):
        # Users reach all hosts at one address: probe it once for all of them.
        prober = AvailabilityProber.of(first.settings, journal)
        for each in found:
            each.availability = prober
    return found


def opening_facts(
    hosts: Sequence[OnHost], where: Mapping[str, Mapping[str, str | None]], lock_of: Callable[[str], Any]
) -> dict[str, Any]:
    """Return the opening entry's facts about the host or hosts: the known ones by name, and each host's lock."""
    told = [{**where.get(each.name, {}), "lock": lock_of(each.name)} for each in hosts]
    if not hosts[0].name:
        return told[0]
    named = [
        {"name": each.name, "directory": str(each.settings.project.directory), **one}
        for each, one in zip(hosts, told, strict=True)
    ]
    return {"host": ", ".join(each.name for each in hosts), "lock": None, "hosts": named}
