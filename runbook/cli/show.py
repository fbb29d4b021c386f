"""`python -m runbook show`: a record, read in the terminal."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runbook.cli import record_lookup
from runbook.cli.console import BAD, GOOD, PLAN, SOFT, STRONG, TONES, Paper
from runbook.errors import JournalError
from runbook.journal.hash_chain import Entry
from runbook.journal.verify import Verified
from runbook.journal.writer_lock import verify_now
from runbook.report.follow_up.approvals import Approval, approvals
from runbook.report.follow_up.follow_ups import FollowUps, follow_ups
from runbook.report.incident_report import IncidentReport
from runbook.report.page.odd_entries import odd_entries_told
from runbook.report.page.templating import clock, duration
from runbook.report.plan_diff import plan_and_actual
from runbook.report.status import Ending, ending
from runbook.report.timeline import Scenario, Step

_STYLES = {"passed": GOOD, "planned": PLAN, "failed": BAD, "interrupted": BAD, "inconclusive": BAD}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `show` is told on the command line."""
    record_lookup.add_options(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="with the commands, each with its entry's number")
    parser.add_argument("--entry", type=int, metavar="N", help="one entry of the journal, whole")


def show(chosen: argparse.Namespace) -> int:
    """Print what the options name; return 1 when the journal is not whole.

    Raises JournalError when it is not there, or its entries are not as the runbook writes them.
    """
    journal = record_lookup.journal_of(chosen)
    verified, under_way = verify_now(journal)
    paper = Paper()
    if chosen.entry is not None:
        _entry(_numbered(verified, chosen.entry), paper)
    else:
        with odd_entries_told(journal):
            story = IncidentReport(verified.entries)
            ended = ending(story, verified.damage, under_way=under_way)
            _record(story, ended, verified, paper, verbose=chosen.verbose)
    return 0 if verified.whole or under_way else 1


def _numbered(verified: Verified, number: int) -> Entry:
    if not 0 <= number < len(verified.entries):
        last = len(verified.entries) - 1
        raise JournalError(
            f"there is no entry {number} that can be believed; the last one is {last}", "show -v gives the numbers"
        )
    return verified.entries[number]


def _entry(entry: Entry, paper: Paper) -> None:
    """Every member of an entry: what is short on a line of its own, and texts as they are."""
    for name, value in _members(entry):
        if isinstance(value, str) and "\n" in value:
            paper.line((f"{name}:", STRONG))
            paper.line(value.removesuffix("\n"), indent=2)
        else:
            paper.line((f"{name}: ", STRONG), "null" if value is None else str(value))


def _members(value: Any, above: str = "") -> list[tuple[str, Any]]:
    """The leaves of what JSON holds, each with its path."""
    if isinstance(value, Mapping) and value:
        return [leaf for name, each in value.items() for leaf in _members(each, f"{above}.{name}" if above else name)]
    if isinstance(value, list) and value:
        return [leaf for number, each in enumerate(value) for leaf in _members(each, f"{above}[{number}]")]
    return [(above, value)]


def _record(story: IncidentReport, ended: Ending, verified: Verified, paper: Paper, *, verbose: bool) -> None:
    print_top(story, ended, verified, paper)
    _changes(story, paper)
    _decisions(story, approvals(verified.entries), paper)
    newest = story.steps[-1] if ended.under_way and story.steps else None
    for chapter, scenarios in story.chapters.items():
        paper.heading(chapter)
        for scenario in scenarios:
            _scenario(scenario, newest, paper, verbose=verbose)
    _left(story, ended, verified, paper)


def _decisions(story: IncidentReport, by_people: Sequence[Approval], paper: Paper) -> None:
    if story.decisions or by_people:
        paper.heading("Decisions")
    for decision in story.decisions:
        paper.line(f"{decision['text']} ", (decision["answer"], STRONG))
        for each in decision["evidence"]:
            paper.line((each, SOFT), indent=4)
        for over in decision.get("passed_over", []):
            paper.line((f"passed over: {over['candidate']}: {over['why']}", SOFT), indent=4)
    for each in by_people:
        about = f"{each.meaning}: {each.step}" if each.step else each.meaning
        paper.line((each.option, STRONG), f" by {each.by}, {clock(each.at)} UTC: {about}")
        if each.because:
            paper.line((f"because: {each.because}", SOFT), indent=4)
        if not each.used:
            paper.line(("it was not needed in the end", SOFT), indent=4)


def _changes(story: IncidentReport, paper: Paper) -> None:
    rows = story.production.before_and_after
    changed = [row for row in rows if row.changed]
    if not rows:
        return
    paper.heading(story.production.title)
    for row in changed if story.production.seen_twice else rows:
        paper.line(
            f"{row.group.lower()}, {row.name}: ",
            row.before,
            *((" → ", (str(row.after), STRONG)) if row.changed else ()),
            *([("  must not have changed", BAD)] if row.broken else ()),
        )
    if story.production.seen_twice:
        unchecked = [row.name for row in rows if row.unchecked]
        if unchecked:
            paper.line((f"must be the same as before, and could not be seen: {', '.join(unchecked)}", BAD))
        same = [row.name for row in rows if not row.changed and not row.unknown]
        paper.line((f"the same before and after: {', '.join(same) or 'nothing'}", SOFT))


def _scenario(scenario: Scenario, at_work: Step | None, paper: Paper, *, verbose: bool) -> None:
    if scenario.reason:
        paper.line((f"  {scenario.name} (left out: it {scenario.reason})", SOFT))
        return
    paper.line(f"  {scenario.name}")
    for step in scenario.steps:
        seconds = "" if step.seconds is None else f"{step.seconds:.1f} s"
        outcome = (f"{step.outcome:<12}", _STYLES.get(step.outcome, ""))
        open_still = step is at_work and step.seconds is None
        if open_still:
            outcome = (f"{'at work':<12}", STRONG)
        change = "changing" if open_still and step.changed_production else step.change_in_words
        changed = (f"  ({change})", PLAN) if change else ""
        paper.line(
            (f"{step.began[11:19]} ", SOFT), outcome, (f"{seconds:>8}  ", SOFT),
            f"{step.keyword} {step.text}", changed, indent=4,
        )  # fmt: skip
        if step.stopped and step.detail and not open_still:
            paper.line(step.told, indent=8)
        if verbose:
            _details(step, paper)


def _details(step: Step, paper: Paper) -> None:
    """What was run and seen under a step, each with its entry's number, which --entry takes."""
    for entry in step.details:
        paper.line((f"[{entry['seq']}] ", SOFT), *_detail(entry), indent=8)


def _detail(entry: Entry) -> tuple[str, tuple[str, str]]:
    if entry["kind"] == "command":
        ended = entry.get("stopped") or f"exit code {entry['exit_code']}, {entry['seconds']:.1f} s"
        return f"$ {entry['command']}", (f"  ({ended})", SOFT)
    if entry["kind"] == "exchange":
        answer = entry.get("error") or f"HTTP {entry['status']}, {entry['seconds']:.1f} s"
        return f"{entry['method']} {entry['url']}", (f"  ({answer})", SOFT)
    if entry["kind"] == "check":
        return "", (f"looked for {entry['expected']}: {entry['state']}, {entry.get('seen', 'not looked yet')}", SOFT)
    return "", (f"change {entry['state']}: {entry['summary']}", SOFT)


def _left(story: IncidentReport, ended: Ending, verified: Verified, paper: Paper) -> None:
    paper.heading("What is left")
    if ended.under_way:
        paper.line("A run is at work on it; what is left is known when that ends.")
    else:
        follow = follow_ups(verified.entries, end_unknown=ended.unknown)
        left = [*((each.text, each.command) for each in follow.to_do), *_kept_and_off(follow)]
        for text, command in left:
            paper.line(f"- {text}")
            if command:
                paper.line((command, STRONG), indent=4)
        if story.closed and not left:
            paper.line("Nothing that the runbook knows of.")
    paper.line((f"{len(verified.entries)} entries, head {verified.head}", SOFT))


def _kept_and_off(follow: FollowUps) -> Iterator[tuple[str, str]]:
    """What the incident left as it is, to be remembered, each with what to type for it, if anything."""
    for switch in follow.switches_off:
        owner = switch.owner or "nobody is named in the settings"
        due = f"; reminder due {clock(switch.due)} UTC" if switch.due else ""
        off = f"Switch left off: {switch.name} ({switch.variable}={switch.value})"
        yield f"{off}, to be turned on again by: {owner}{due}", switch.command
    if follow.ticket:
        planned = ", as it would be opened" if follow.ticket.state == "planned" else ""
        yield f"Follow-up ticket{planned}: {follow.ticket.title} {follow.ticket.address}".rstrip(), ""
    for release in follow.quarantined:
        yield f"In quarantine: {release.tag}, so post-deploy validation refuses it", ""
    for point in follow.restore_points:
        about = f"{point.size} bytes, sha256 {point.sha256}"
        yield f"Restore point: {point.path}, {about}; the page says how to bring it back", ""
    for file in follow.left_files:
        yield f"Left on the production host: {file.path}: {file.what}", ""


def print_top(story: IncidentReport, ended: Ending, verified: Verified, paper: Paper) -> None:
    """Print the headline, the alarms and the facts."""
    paper.line((ended.headline, TONES.get(ended.tone, "")))
    _alarms(story, ended, verified, paper)
    _facts(story, ended, verified, paper)


def _alarms(story: IncidentReport, ended: Ending, verified: Verified, paper: Paper) -> None:
    if not verified.whole and not ended.under_way:
        paper.line((f"This journal is not whole: {verified.problem}", BAD))
    if story.trouble:
        seen = "what was only seen at that time may be missing"
        paper.line((f"The journal could not be written: {story.trouble}; {seen}", BAD))
    if story.other_text:
        paper.line((f"It was gone on with by other {story.other_text} than it had before", PLAN))
    if story.production.users_kept_out:
        paper.line(("Users are kept out: the traffic gate is closed, as far as this record knows", BAD))
    if story.still_out and not story.production.users_kept_out:
        answer = f"HTTP {story.still_out.status}" if story.still_out.status else "no answer"
        paper.line((f"Users were not served when it ended: the last probe had {answer}", BAD))
    if story.production.left_unknown and not ended.under_way:
        paper.line((f"How production was left is not known: {ended.left_unknown_because}", BAD))
    for step in story.vouched:
        paper.line((f"Not seen to be well, a person vouched for it: {step.keyword} {step.text}", PLAN))


def _facts(story: IncidentReport, ended: Ending, verified: Verified, paper: Paper) -> None:
    plan = plan_and_actual(verified.entries)
    run_by = f"{story.opened.get('operator', 'unknown')} on {story.opened.get('operator_host', 'unknown')}"
    resumed = [f"{clock(run['time'])} UTC by {run['operator']} on {run['operator_host']}" for run in story.resumed]
    facts = [
        ("kind", story.kind + (", on a throwaway production" if story.rehearsed else "")),
        ("incident", story.opened.get("incident", "unknown")),
        ("project", story.opened.get("project", "unknown")),
        *story.way,
        ("began", f"{clock(story.began)} UTC" if story.began else "unknown"),
        *(("resumed", again) for again in resumed),
        ("ended", _ended(story, ended)),
        ("took", duration(story.seconds) if story.began else ""),
        ("time to recover", "" if story.time_to_recover is None else duration(story.time_to_recover)),
        ("without service", _without_service(story)),
        ("run by", run_by),
        ("plan", plan.summary if plan else ""),
    ]
    paper.line()
    for name, value in facts:
        if value:
            paper.line((f"{name:<16}", SOFT), str(value))


def _ended(story: IncidentReport, ended: Ending) -> str:
    if story.closed:
        return f"{clock(story.ended)} UTC"
    if ended.unknown:
        return "unknown"
    return "not yet" if ended.under_way else "it was not closed"


def _without_service(story: IncidentReport) -> str:
    if story.without_service is None:
        return "not measured"
    return f"{'' if story.without_service_for_sure else 'at least '}{duration(story.without_service)}"
