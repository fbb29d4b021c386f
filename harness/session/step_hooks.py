"""What happens around each scenario and each step: it is put on record, and shown, as it begins and as it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.parser import Feature, Scenario, Step

from harness.collection.feature_model import makes_change
from harness.collection.feature_parser import hand_results_to
from harness.collection.order import named
from harness.collection.overrides import step_id
from harness.options import runs_features
from harness.session.lifecycle import CONDUCT, SIGNALS
from harness.session.reporting import make_failed, meant, outcome_of_scenario, without_secrets
from harness.session.run import RunSession
from runbook.actions import LeftOut, Outcome
from runbook.errors import JournalError, LockLost, RunbookError, StepError
from runbook.incident.executor import Mode, outcome_of
from runbook.incident.facts import Strategy

#: How the steps of a scenario ended, and what went wrong around them.
_OUTCOMES = pytest.StashKey[list[Outcome]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a scenario out whose needs did not pass, and say so on record."""
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None:
        return
    left_out = _left_out_because(conduct, item)
    if left_out:
        why, reason = left_out
        if why.settled:
            conduct.settled[item.nodeid] = why
        conduct.incident.journal.write(
            "scenario left out",
            scenario=item.name,
            feature=_chapter(item),
            outcome=Outcome.NOT_APPLICABLE,
            why=why,
            reason=reason,
        )
        conduct.progress.left_out(_chapter(item), item.name, reason)
        conduct.ended[item.nodeid] = Outcome.NOT_APPLICABLE
        pytest.skip(reason)


def _left_out_because(conduct: RunSession, item: pytest.Item) -> tuple[LeftOut, str] | None:
    """Why a scenario is not run, and the same in words; None where it is."""
    past = conduct.needs.passed_before(item)
    if past and conduct.passed_earlier(item):
        return LeftOut.PASSED, "passed already in this incident"
    facts = conduct.incident.facts
    if "nothing to do" in facts:
        return LeftOut.NOTHING_TO_DO, f"has nothing to do: {facts['nothing to do']}"
    # Where a person must judge the migrations, a plan shows what the more careful judgement would do.
    assumed = Strategy.DOWNGRADE if conduct.incident.mode is Mode.PLAN and conduct.incident.undecided else None
    strategies, strategy = named(item, "strategy"), facts.get("strategy", assumed)
    if strategies and strategy is not None and strategy not in strategies:
        return LeftOut.STRATEGY, f"is for the strategy {' or '.join(strategies)}, and this one is {strategy}"
    if past:
        return LeftOut.PAST, "did not run to its end in this incident, which is past it"
    unmet = conduct.needs.unmet(item)
    return (LeftOut.NEEDS, f"needs {', '.join(unmet)}, which did not pass") if unmet else None


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
    """Open the scenario on record."""
    if (conduct := _conduct(request)) is not None:
        _begin_scenario(conduct, request.node, scenario.name, feature.description)


def _begin_scenario(conduct: RunSession, item: pytest.Item, name: str, description: str) -> None:
    if _OUTCOMES in item.stash:
        raise StepError(f"{name!r} was run already, and something runs it again", "leave that plugin out")
    item.stash[_OUTCOMES] = []
    chapter = _chapter(item)
    conduct.incident.journal.write("scenario began", scenario=name, feature=chapter, description=description)
    conduct.progress.scenario_began(chapter, name)


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_before_step(
    request: pytest.FixtureRequest, scenario: Scenario, step: Step, step_func: Callable[..., object]
) -> None:
    """Open the step on record, before anything in it happens."""
    conduct = _conduct(request)
    if conduct is None:
        return
    number = next(index for index, other in enumerate(scenario.steps, 1) if other is step)
    request.config.stash[SIGNALS].step_began(conduct.run.settings.deadlines.step)
    conduct.incident.step_began(
        {
            "id": step_id(scenario.feature.filename, request.node.parent.position_of(request.node), number),
            "keyword": step.type.capitalize(),
            "text": step.name,
            "scenario": scenario.name,
            "place": f"{Path(scenario.feature.filename).name}:{step.line_number}",
        },
        may_change=makes_change(step_func),
    )
    conduct.progress.step_began(step.type.capitalize(), step.name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_bdd_after_step(request: pytest.FixtureRequest) -> Any:
    """Close the step on record, when it and every other plugin came to their end, and it did something at all."""
    result = yield
    if (conduct := _conduct(request)) is not None:
        conduct.incident.check_step()
        if (late := request.config.stash[SIGNALS].late) is not None:
            raise late  # whoever caught it when it was raised
    _end_step(request.node, None)
    return result


def pytest_bdd_step_error(request: pytest.FixtureRequest, exception: BaseException) -> None:
    """Close the step on record: it raised."""
    _end_step(request.node, exception)


def _end_step(item: pytest.Item, error: BaseException | None) -> None:
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None or not conduct.incident.step_is_open:
        return
    item.config.stash[SIGNALS].step_ended()
    ended = conduct.incident.step_ended(meant(error))
    # What could not be checked, or was not so, and ended without an error all the same, is what a person accepted.
    vouched = error is None and ended.outcome in (Outcome.INCONCLUSIVE, Outcome.FAILED)
    item.stash[_OUTCOMES].append(Outcome.PASSED if vouched else ended.outcome)
    conduct.progress.step_ended(*ended)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Close what is still open, tell later scenarios how this one ended, and keep secrets out of the report."""
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is None:
        return (yield)
    if conduct.ended.get(item.nodeid) is Outcome.NOT_APPLICABLE:
        return without_secrets(item.config, (yield))
    error = meant(call.excinfo.value) if call.excinfo else None
    if isinstance(error, JournalError | LockLost):
        # Without a journal, or without the lock, nothing more may be changed: not by the scenarios that come either.
        item.session.shouldfail = error.seen
    if error is not None:
        _note_error(conduct, item, error)
    outcome = outcome_of_scenario(item.stash.get(_OUTCOMES, []))
    if call.when == "teardown":
        _end_scenario(conduct, item, outcome)
    report: pytest.TestReport = yield
    if not report.failed and (error is not None or (call.when == "call" and not outcome.is_good)):
        make_failed(report, str(error or "nothing is known of this scenario: none of its steps came to an end"))
    if isinstance(error, RunbookError):
        report.longrepr = str(error)
    return without_secrets(item.config, report)


def _note_error(conduct: RunSession, item: pytest.Item, error: BaseException) -> None:
    if _OUTCOMES not in item.stash:  # it went wrong before the scenario began: in a fixture, or in another plugin
        _begin_scenario(conduct, item, item.name, "")
    # What no step hook saw: pytest.exit, Ctrl-C, an error in a hook.
    _end_step(item, error)
    item.stash[_OUTCOMES].append(outcome_of(error))


def _end_scenario(conduct: RunSession, item: pytest.Item, outcome: Outcome) -> None:
    conduct.ended[item.nodeid] = outcome
    if outcome.is_good:
        conduct.needs.passed(item)
    if _OUTCOMES in item.stash:
        provides = named(item, "provides")
        conduct.incident.journal.write("scenario ended", scenario=item.name, outcome=outcome, provides=provides)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Carry out what the functions of steps hand over."""

    def take(handed: object) -> None:
        if (conduct := session.config.stash.get(CONDUCT, None)) is not None:
            conduct.incident.take(handed, conduct.context.host)

    if runs_features(session.config):
        hand_results_to(session, take)


def _conduct(request: pytest.FixtureRequest) -> RunSession | None:
    return request.config.stash.get(CONDUCT, None)


def _chapter(item: pytest.Item) -> str:
    feature = getattr(item.parent, "feature", None)
    return str(getattr(feature, "name", "") or item.path.stem)
