"""What `show` prints first of a record: how it ended, what must not be overlooked, and the facts."""

from runbook.cli.console import BAD, PLAN, SOFT, TONES, Paper
from runbook.journal.verify import Verified
from runbook.report.incident_report import Story
from runbook.report.page.templating import clock, duration
from runbook.report.plan_diff import plan_and_actual
from runbook.report.status import Ending


def print_top(story: Story, ended: Ending, verified: Verified, paper: Paper) -> None:
    """Print the headline, the alarms and the facts."""
    paper.line((ended.headline, TONES.get(ended.tone, "")))
    _alarms(story, ended, verified, paper)
    _facts(story, ended, verified, paper)


def _alarms(story: Story, ended: Ending, verified: Verified, paper: Paper) -> None:
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
    for sentence in story.vouched:
        paper.line((f"Not seen to be well, a person vouched for it: {sentence.keyword} {sentence.text}", PLAN))


def _facts(story: Story, ended: Ending, verified: Verified, paper: Paper) -> None:
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


def _ended(story: Story, ended: Ending) -> str:
    if story.closed:
        return f"{clock(story.ended)} UTC"
    if ended.unknown:
        return "unknown"
    return "not yet" if ended.under_way else "it was not closed"


def _without_service(story: Story) -> str:
    if story.without_service is None:
        return "not measured"
    return f"{'' if story.without_service_for_sure else 'at least '}{duration(story.without_service)}"
