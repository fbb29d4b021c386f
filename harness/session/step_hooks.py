"""The hooks around scenarios and steps: they record and show the beginning and the end of each."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.parser import Feature, Scenario, Step

from harness.collection.feature_model import makes_change
from harness.collection.feature_parser import hand_calls_to
from harness.collection.order import named, provided_by
from harness.collection.overrides import step_id
from harness.compat import TOLD
from harness.hosts.scenarios import host_of
from harness.options import runs_features
from harness.session.lifecycle import CONDUCT, SIGNALS
from harness.session.reporting import make_failed, outcome_of_scenario, translated, without_secrets
from harness.session.run import RunSession
from runbook.actions import Action, Check, LeftOut, Outcome
from runbook.errors import JournalError, LockLost, PlanVoid, RunbookError, StepError
from runbook.incident.executor import Mode
from runbook.incident.facts import Strategy
from runbook.incident.open_step import outcome_of

#: The outcomes of a scenario's steps, and of errors around them.
_OUTCOMES = pytest.StashKey[list[Outcome]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a scenario that does not apply, or whose needs did not pass, and record why."""
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None:
        return
    conduct.turn_to(item)
    left_out = _left_out_because(conduct, item)
    if left_out:
        why, reason = left_out
        if why.settled:
            conduct.settled[item.nodeid] = why
            conduct.needs.settled(item)
        if why is LeftOut.NOTHING_TO_DO and host_of(item):
            # A host with nothing to do must not keep the scenarios of other hosts from running.
            conduct.needs.passed(item)
        conduct.incident.journal.write(
            "scenario left out",
            scenario=item.name,
            feature=_chapter(item),
            outcome=Outcome.NOT_APPLICABLE,
            why=why,
            reason=reason,
        )
        conduct.ended[item.nodeid] = Outcome.NOT_APPLICABLE
        conduct.show_standing()
        conduct.progress.left_out(_chapter(item), item.name, reason, settled=why.settled)
        pytest.skip(reason)


def _left_out_because(conduct: RunSession, item: pytest.Item) -> tuple[LeftOut, str] | None:
    """Return why a scenario is left out, as a code and in words, or None if it runs."""
    past = conduct.needs.passed_before(item)
    if past and conduct.passed_earlier(item):
        return LeftOut.PASSED, "passed already in this incident"
    if nothing := conduct.incident.facts.nothing_to_do if host_of(item) else conduct.nothing_to_do:
        return LeftOut.NOTHING_TO_DO, f"has nothing to do: {nothing}"
    if other := _for_another_way(conduct, item):
        return other
    if past:
        return LeftOut.PAST, "did not complete in this incident, and is no longer needed"
    unmet = conduct.needs.unmet(item)
    if conduct.run.mode is not Mode.VALIDATE and (host := conduct.needs.host_before(item)):
        return LeftOut.NEEDS, f"is for {host_of(item)}, and {host}, which comes before it, is not finished"
    return (LeftOut.NEEDS, f"needs {', '.join(unmet)}, which did not pass") if unmet else None


def _for_another_way(conduct: RunSession, item: pytest.Item) -> tuple[LeftOut, str] | None:
    """Return why a scenario is not part of the decided strategy or switch, or None if it is."""
    facts = conduct.incident.facts
    # While the migrations await a human's verdict, a plan shows what the more careful verdict would do.
    assumed = Strategy.DOWNGRADE if conduct.incident.mode is Mode.PLAN and conduct.incident.undecided else None
    strategies, strategy = named(item, "strategy"), facts.strategy or assumed
    if strategies and strategy is not None and strategy not in strategies:
        return LeftOut.STRATEGY, f"is only for the strategy {' or '.join(strategies)}; this one is {strategy}"
    switches, switch = named(item, "switch"), facts.switchover.mode if facts.switchover else None
    if switches and switch is not None and switch not in switches:
        return LeftOut.SWITCH, f"is only for the switch {' or '.join(switches)}; this one is {switch}"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
    """Record the beginning of the scenario."""
    if (conduct := _conduct(request)) is not None:
        name = request.node.name if host_of(request.node) else scenario.name
        _begin_scenario(conduct, request.node, name, feature.description)


def _begin_scenario(conduct: RunSession, item: pytest.Item, name: str, description: str) -> None:
    if _OUTCOMES in item.stash:
        raise StepError(f"{name!r} ran already, and a plugin runs it again", "block that plugin with -p no:NAME")
    item.stash[_OUTCOMES] = []
    chapter = _chapter(item)
    conduct.incident.journal.write("scenario began", scenario=name, feature=chapter, description=description)
    conduct.progress.scenario_began(chapter, name)


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_before_step(
    request: pytest.FixtureRequest, scenario: Scenario, step: Step, step_func: Callable[..., object]
) -> None:
    """Record the beginning of the step before anything in it happens."""
    conduct = _conduct(request)
    if conduct is None:
        return
    number = next(index for index, other in enumerate(scenario.steps, 1) if other is step)
    request.config.stash[SIGNALS].step_began(conduct.run.settings.deadlines.step)
    conduct.incident.step_began(
        {
            "id": step_id(
                scenario.feature.filename,
                request.node.parent.position_of(request.node),
                number,
                host_of(request.node),
            ),
            "keyword": step.type.capitalize(),
            "text": step.name,
            "scenario": request.node.name if host_of(request.node) else scenario.name,
            "place": f"{Path(scenario.feature.filename).name}:{step.line_number}",
        },
        may_change=makes_change(step_func),
    )
    conduct.progress.step_began(step.type.capitalize(), step.name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_bdd_after_step(request: pytest.FixtureRequest) -> Any:
    """Record the end of the step, after all other plugins. Raises if the step did nothing or was late."""
    result = yield
    if (conduct := _conduct(request)) is not None:
        conduct.incident.check_step()
        if (late := request.config.stash[SIGNALS].late) is not None:
            raise late  # even if it was caught inside the step
    _end_step(request.node, None)
    return result


def pytest_bdd_step_error(request: pytest.FixtureRequest, exception: BaseException) -> None:
    """Record the end of the step that raised."""
    _end_step(request.node, exception)


def _end_step(item: pytest.Item, error: BaseException | None) -> None:
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None or not conduct.incident.step_is_open:
        return
    item.config.stash[SIGNALS].step_ended()
    ended = conduct.incident.step_ended(translated(error))
    # A step that was inconclusive or failed, and raised no error, was accepted with --override.
    vouched = error is None and ended.outcome in (Outcome.INCONCLUSIVE, Outcome.FAILED)
    item.stash[_OUTCOMES].append(Outcome.PASSED if vouched else ended.outcome)
    conduct.progress.step_ended(*ended)
    conduct.show_standing()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Close what is still open, record the scenario's outcome, and redact the report."""
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None:
        return (yield)
    if conduct.ended.get(item.nodeid) is Outcome.NOT_APPLICABLE:
        return without_secrets(item.config, (yield))
    error = translated(call.excinfo.value) if call.excinfo else None
    if isinstance(error, JournalError | LockLost | PlanVoid):
        # Without the journal, the lock or a valid plan, no later scenario may change anything either.
        item.session.shouldfail = error.seen
        item.config.pluginmanager.getplugin("terminalreporter").told = frozenset((error.seen,))
    if error is not None:
        _note_error(conduct, item, error)
    outcome = outcome_of_scenario(item.stash.get(_OUTCOMES, []))
    if call.when == "teardown":
        _end_scenario(conduct, item, outcome)
    report: pytest.TestReport = yield
    if not report.failed and (error is not None or (call.when == "call" and not outcome.is_good)):
        make_failed(report, str(error or "the scenario's result is unknown: none of its steps finished"))
    if isinstance(error, RunbookError):
        report.longrepr = str(error)
    if isinstance(error, RunbookError) or (error is not None and outcome_of(error) is Outcome.INTERRUPTED):
        setattr(report, TOLD, True)
    return without_secrets(item.config, report)


def _note_error(conduct: RunSession, item: pytest.Item, error: BaseException) -> None:
    if _OUTCOMES not in item.stash:  # an error before the scenario began: in a fixture or in another plugin
        _begin_scenario(conduct, item, item.name, "")
    # No step hook sees pytest.exit, Ctrl-C or an error in a hook.
    _end_step(item, error)
    item.stash[_OUTCOMES].append(outcome_of(error))


def _end_scenario(conduct: RunSession, item: pytest.Item, outcome: Outcome) -> None:
    conduct.ended[item.nodeid] = outcome
    if outcome.is_good:
        conduct.needs.passed(item)
    if _OUTCOMES in item.stash:
        provides = provided_by(item)
        conduct.incident.journal.write("scenario ended", scenario=item.name, outcome=outcome, provides=provides)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Execute the actions and checks that the steps' functions return."""
    if runs_features(session.config):
        hand_calls_to(session, partial(_carry_out, session.config))


def _carry_out(config: pytest.Config, call: "partial[object]") -> None:
    """Call a step's function and execute the action or check it returns, on each host of the scenario.

    Messages to people are sent once, for all hosts. Raises the error of a host with that host's name.
    """
    conduct = config.stash.get(CONDUCT, None)
    if conduct is None:
        call()
        return
    lead, hosts, done = conduct.now, conduct.taking_part(), []
    for each in hosts:
        if each is not lead:
            each.incident.join(lead.incident)
        done.append(each)
        try:
            handed = call(**each.fixtures(call.keywords)) if each is not lead else call()
            each.incident.take(handed, each.context.host)
        except RunbookError as error:
            raise error.on(each.name if hosts != [lead] else "") from error.__cause__
        if isinstance(handed, Action | Check) and handed.for_people:
            break
        if isinstance(handed, Action) and each is lead and hosts == [lead]:
            hosts += conduct.also_done_on(handed)
    if done != [lead]:
        lead.incident.conclude_as({each.name: each.incident for each in done})


def _conduct(request: pytest.FixtureRequest) -> RunSession | None:
    return request.config.stash.get(CONDUCT, None)


def _chapter(item: pytest.Item) -> str:
    feature = getattr(item.parent, "feature", None)
    return str(getattr(feature, "name", "") or item.path.stem)
