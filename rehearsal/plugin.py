"""`pytest features --rehearse INCIDENT`: the whole runbook against a throwaway production with a planted fault."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from harness.options import REHEARSED, RUN, Rehearsed, runs_features
from rehearsal.errors import RehearsalError

# The rehearsal's modules are loaded only for a rehearsal: people wait for a real run.
if TYPE_CHECKING:
    from rehearsal.incidents.catalogue import Incident
    from rehearsal.practice_production import PracticeProduction

#: The strangers of the planted incident, who count the answers they get. Missing if there are none.
STRANGERS = pytest.StashKey["Load"]()
_PARSER = pytest.StashKey[pytest.Parser]()
_PRACTICE = pytest.StashKey["PracticeProduction"]()
_INCIDENT = pytest.StashKey["Incident"]()
#: How the ending differs from the one that the incident must have; empty if it does not.
_OTHERWISE = pytest.StashKey[str]()
_MEANWHILE = pytest.StashKey[ExitStack]()
#: The verbosity of `-vv`: each step with its commands.
_WITH_COMMANDS = 2
_DEADLINE = 180.0  # seconds, for a validation and for a plan
#: The options that choose the scenarios and the strategy, by their attribute names in pytest.
_CHOICES = {
    "markexpr": "-m",
    "to": "--to",
    "forward_fix": "--forward-fix",
    "accept_loss": "--accept-loss",
    "verdict": "--verdict",
    "strategy": "--strategy",
    "because": "--because",
    "enable": "--enable",
    "disable": "--disable",
}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the rehearsal's options, and keep the parser for the arguments that an incident brings."""
    config = cast("pytest.Config", pluginmanager.get_plugin("pytestconfig"))
    config.stash[_PARSER] = parser
    group = parser.getgroup("runbook")
    group.addoption("--rehearse", metavar="INCIDENT", help="start a practice production, break it, and roll it back")
    group.addoption("--rehearse-keep", action="store_true", help="keep the practice production afterwards")
    group.addoption(
        "--rehearse-by-hand", action="store_true", help="only plan, and keep the broken practice production"
    )
    group.addoption("--rehearse-no-plan", action="store_true", help="roll back at once, without a plan before it")
    group.addoption("--rehearse-plan", metavar="PATH", help="internal: the plan that a rehearsal runs first")
    group.addoption("--rehearse-remote", action="store_true", help="on a second host on this machine, over SSH")
    group.addoption(
        "--rehearse-hosts", type=int, default=0, metavar="N", help="on N such hosts, rolled back one after the other"
    )
    group.addoption("--rehearse-port", type=int, metavar="N", help="the port of its gateway (default: a free one)")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the practice production and plant the incident before the runbook reads its settings."""
    name = config.option.rehearse
    if config.option.rehearse_plan:
        config.stash[REHEARSED] = Rehearsed(Path(config.option.rehearse_plan), plan=True)
    if name is None or config.option.collectonly:
        return
    if config.option.execute or config.option.settings:
        raise pytest.UsageError("--rehearse brings its own production → leave out --execute and --settings")
    if config.option.keyword or config.option.deselect:
        raise pytest.UsageError("--rehearse runs the whole runbook → leave out -k and --deselect")
    if not runs_features(config):
        raise pytest.UsageError("--rehearse without feature files → type `pytest features --rehearse INCIDENT`")
    from rehearsal.docker_host.engine import plugin_dirs  # noqa: PLC0415
    from rehearsal.incidents.catalogue import find_incident  # noqa: PLC0415
    from rehearsal.practice_production import PracticeProduction  # noqa: PLC0415

    try:
        incident = find_incident(name)
        take_arguments(config, incident)
        with _on_terminal(config):
            practice = PracticeProduction(
                config.rootpath,
                _say,
                plugin_dirs=plugin_dirs(),
                gateway_port=config.option.rehearse_port,
                remote=config.option.rehearse_hosts or int(config.option.rehearse_remote),
            )
            config.stash[_PRACTICE] = practice
            incident.plant(practice, partial(_validate, config))
            if not config.option.rehearse_no_plan and not config.option.rehearse_by_hand:
                _plan(config, practice)
        _let_strangers_ask(config, practice, incident)
    except RehearsalError as error:
        raise pytest.UsageError(str(error)) from None
    if config.option.rehearse_by_hand:
        # Show the commands, because the user types them by hand.
        config.option.verbose = max(config.option.verbose, _WITH_COMMANDS)
    config.stash[REHEARSED] = Rehearsed(practice.settings, plan=config.option.rehearse_by_hand)
    config.stash[_INCIDENT] = incident


def take_arguments(config: pytest.Config, incident: "Incident") -> None:
    """Add the incident's arguments to the typed ones, which take precedence.

    Raises RehearsalError for an argument that no plugin knows.
    """
    parser = config.stash[_PARSER]
    plain, _ = parser.parse_known_and_unknown_args([])
    wanted, unknown = parser.parse_known_and_unknown_args(incident.arguments)
    if unknown:
        raise RehearsalError(f"the incident {incident.name} needs {' '.join(unknown)}, which no plugin knows")
    for name, value in vars(wanted).items():
        default = getattr(plain, name)
        if value != default and getattr(config.option, name) == default:
            setattr(config.option, name, value)


def _let_strangers_ask(config: pytest.Config, practice: "PracticeProduction", incident: "Incident") -> None:
    """Start the incident's strangers, who send requests until pytest ends."""
    meanwhile = config.stash[_MEANWHILE] = ExitStack()
    strangers = meanwhile.enter_context(incident.strangers(practice))
    if strangers:
        config.stash[STRANGERS] = strangers


def _validate(config: pytest.Config, practice: "PracticeProduction") -> None:
    """Validate the live release, as CI does after a deploy. That enters it in the ledger of known-good releases."""
    features, settings = str(config.rootpath / "features"), str(practice.settings)
    done = _run(config, features, "-m", "post_deploy", "--settings", settings)
    if done.returncode != 0:
        raise RehearsalError("the live release did not pass its own validation", done.stdout + done.stderr)
    practice.stages(f"validated: {done.stdout.strip().splitlines()[-1]}")


def _plan(config: pytest.Config, practice: "PracticeProduction") -> None:
    """Plan first, as in a real incident: the record then shows where the execution differed."""
    choices = [
        word for name, flag in _CHOICES.items() if (given := getattr(config.option, name)) for word in (flag, given)
    ]
    overrides = [word for given in config.option.override for word in ("--override", given)]
    began = time.monotonic()
    done = _run(config, *config.args, "--rehearse-plan", str(practice.settings), *choices, *overrides)
    # A plan for a held incident exits with 1, one that waits for a decision with 6. Both have records.
    if done.returncode not in (0, 1, 6):
        raise RehearsalError("no plan could be made", done.stdout + done.stderr)
    *plan, page = done.stdout.strip().splitlines()
    practice.stages(f"planned in {time.monotonic() - began:.0f} s: {page}")
    for line in plan:
        _say(line)


def _run(config: pytest.Config, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the runbook in a separate process, with its record next to this run's."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--reports", config.option.reports],
        cwd=config.invocation_params.dir,
        check=False,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Exit with 0 if the incident ended as it must, "held" included, otherwise with 1: in CI a drill is a test."""
    yield
    incident = session.config.stash.get(_INCIDENT, None)
    ended = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if incident is None or session.config.stash[REHEARSED].plan or session.exitstatus not in ended:
        return
    from rehearsal.ended import entries_of, otherwise  # noqa: PLC0415 - as above

    run = session.config.stash[RUN]
    wrong = otherwise(incident, entries_of(run.journal)) or ("" if run.page.exists() else "the page was not written")
    session.config.stash[_OTHERWISE] = wrong
    session.exitstatus = pytest.ExitCode.TESTS_FAILED if wrong else pytest.ExitCode.OK


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the practice production down, or leave it up and say where it is, before the last line is printed."""
    practice = config.stash.get(_PRACTICE, None)
    if practice is None:
        return
    if _MEANWHILE in config.stash:
        config.stash[_MEANWHILE].close()
    if (wrong := config.stash.get(_OTHERWISE, None)) is not None:
        _say(f"rehearsal: {wrong}" if wrong else "rehearsal: ended as expected")
    if (config.option.rehearse_keep or config.option.rehearse_by_hand) and REHEARSED in config.stash:
        for line in practice.addresses():
            _say(line)
        return
    if incident := config.stash.get(_INCIDENT, None):
        _say(
            f"removing the practice production; to type the commands below, use script/rehearse {incident.name} --keep"
        )
    try:
        practice.take_down()
    except RehearsalError as error:
        _say(f"rehearsal: {error}")


def _on_terminal(config: pytest.Config) -> "pytest.CaptureManager":  # type: ignore[name-defined]
    return config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - output for the terminal
