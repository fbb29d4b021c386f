"""What a run has of each of its hosts: the settings as they are there, its part of the incident, and its tools."""

from collections.abc import Callable, Mapping, Sequence

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
    """One host of a run; its `name` is empty where there is no other."""

    def __init__(self, run: Run, name: str, settings: Settings, journal: Journal) -> None:
        self.name = name
        self.settings = settings
        self._run = run
        self._journal = HostJournal(journal, name) if name else journal
        self.incident = Executor(run.incident, run.mode, self._journal)
        self.availability = AvailabilityProber.of(settings, self._journal)
        #: The canary's, where this is another host.
        self.canary: OnHost | None = None
        #: What was told of its production before there was a record.
        self.known: Remembered | None = None
        self._tools: Context | None = None

    @property
    def context(self) -> Context:
        """The parts of this production; made on first use, when the journal can tell about it."""
        if self._tools is None:
            first = self.canary.context if self.canary else None
            self._tools = Context(
                self.settings, self.incident, self._run.options, lambda: self.availability.summary, first, self.known
            )
        return self._tools

    def go_on_from(self, entries: Sequence[Entry], *, elsewhere: bool) -> None:
        """Take up what earlier runs of the incident did on this host."""
        self.incident.go_on_from(entries_of(entries, self.name) if self.name else entries, elsewhere=elsewhere)

    def settle(self, waiting: Callable[[str], None]) -> None:
        """Wait for what a run that was killed has left at work there."""
        settle(self._journal, waiting, open_host(self.settings.host, self.incident))

    def begin_step(self, *, of_all: bool) -> None:
        """Say of which hosts the scenario is that begins."""
        if isinstance(self._journal, HostJournal):
            self._journal.steps_of_all = of_all

    def fixtures(self, given: Mapping[str, object]) -> dict[str, object]:
        """What stands for this host among the arguments that a step's function is given."""
        found: dict[str, object] = {"context": self.context} if "context" in given else {}
        return found | ({"host": self.context.seen} if "host" in given else {})

    def close(self) -> None:
        """Close what is open."""
        if self._tools is not None:
            self._tools.close()


def on_each_host(run: Run, journal: Journal) -> tuple[OnHost, ...]:
    """The hosts of a run, the canary first."""
    found = tuple(OnHost(run, name, settings, journal) for name, settings in run.on_each.items())
    first = found[0]
    for each in found[1:]:
        each.canary = first
    if len(found) > 1 and all(each.settings.traffic == first.settings.traffic for each in found):
        # Users reach all hosts at one address: it is probed once, for all of them.
        prober = AvailabilityProber.of(first.settings, journal)
        for each in found:
            each.availability = prober
    return found
