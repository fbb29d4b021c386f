"""The first three lines of a record: whether users are served, the decision, and the next command."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.incident.facts import Facts
from runbook.journal.availability import NO_ANSWER
from runbook.journal.journal import Entry
from runbook.report.follow_up.next_steps import to_do
from runbook.report.incident_report import IncidentReport
from runbook.report.next_command import next_command
from runbook.report.production_view import closing_of, waiting_of
from runbook.text import counted


@dataclass(frozen=True)
class AtAGlance:
    """The lines in words. `served` is None if unknown; `command` is empty if there is none."""

    users: str
    served: bool | None
    decided: str
    following: str
    command: str = ""


def at_a_glance(story: IncidentReport, entries: Sequence[Entry], *, end_unknown: bool = False) -> AtAGlance:
    """Return the lines for an incident's `entries`. `end_unknown`: the end of the journal cannot be trusted."""
    served, users = _users(story, entries)
    if end_unknown:
        served, users = None, "not known: the end of the journal cannot be trusted"
    following = next_command(entries, end_unknown=end_unknown) if story.opened else None
    if following is None:
        return AtAGlance(users, served, _decided(story.facts), _rest(sum(1 for _ in to_do(entries))))
    return AtAGlance(users, served, _decided(story.facts), following.why, following.command)


def _rest(tasks: int) -> str:
    if not tasks:
        return "nothing is left to do"
    return f"no run is needed; {counted(tasks, 'task is', 'tasks are')} left, see “What is left to do”"


def _users(story: IncidentReport, entries: Sequence[Entry]) -> tuple[bool | None, str]:
    last = next((run.probes[-1] for run in reversed(story.measured) if run.probes), None)
    if story.production.traffic_paused:
        since = closing_of(entries)
        held = story.production.traffic_held
        at = f" since {since[11:19]} UTC" if since else ""
        waits = f"; {waiting_of(entries)}" if held else ""
        return False, f"not served: traffic is {'held' if held else 'paused'}{at}{waits}"
    if story.died or last is None:
        return None, "not known: the run never closed its journal" if story.died else "not known: nothing was probed"
    at = f"{last.at:%H:%M:%S} UTC"
    if last.good:
        return True, f"served: the last probe, at {at}, got HTTP {last.status}"
    answer = "got no answer" if last.status == NO_ANSWER else f"got HTTP {last.status}"
    began = next(run.outages[-1].began for run in reversed(story.measured) if run.outages)
    return False, f"not served since {began:%H:%M:%S} UTC: the last probe, at {at}, {answer}"


def _decided(facts: Facts) -> str:
    if facts.undecided:
        return "a person must decide"
    if switch := facts.switch:
        return f"the switch {switch.name} is turned {switch.state}: {switch.variable}={switch.value}"
    if restore := facts.to_restore:
        return f"the dump {restore.path} replaces the database {restore.database}"
    verdict = f"the verdict on the migrations is {facts.verdict.verdict}" if facts.verdict else ""
    if facts.strategy:
        return f"strategy {facts.strategy}{f', because {verdict}' if verdict else ''}"
    return verdict or "nothing"
