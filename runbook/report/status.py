"""How an incident ended, as far as its journal can be trusted."""

from dataclasses import dataclass

from runbook.journal.verify import Verified
from runbook.report.incident_report import IncidentReport

#: The headline if even the first entry was changed.
NOTHING_BELIEVED = "Nothing in it can be trusted"


@dataclass(frozen=True)
class Ending:
    """The headline and its tone: `good`, `plan` or `bad`.

    If the journal has no closing entry, one of the three flags is True.
    """

    headline: str
    tone: str
    #: A run is writing the journal at this moment.
    under_way: bool = False
    #: The run was killed, or its machine went down.
    killed: bool = False
    #: The end of the journal was changed, so that the outcome is unknown.
    unknown: bool = False

    @property
    def left_unknown_because(self) -> str:
        """The reason why the final state of production is unknown, if there is no snapshot after the changes."""
        return "the end of the journal cannot be trusted" if self.unknown else "no snapshot follows the changes"


def ending(story: IncidentReport, verified: Verified, *, under_way: bool = False) -> Ending:
    """Return how an incident ended. `under_way`: a run is writing the journal now."""
    if not story.began and not under_way:
        return Ending(NOTHING_BELIEVED, "bad", unknown=True)
    if story.began and not story.died:
        return Ending(story.headline, story.tone if verified.whole else "bad")
    if under_way and verified.broken_off:
        newest = story.steps[-1:]
        at = "".join(f", at: {step.keyword} {step.text}" for step in newest)
        return Ending(f"Under way when this was read{at}", "plan", under_way=True)
    if verified.broken_off:
        return Ending(story.headline, "bad", killed=True)
    return Ending("The outcome is unknown: the journal was changed", "bad", unknown=True)
