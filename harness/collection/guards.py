"""What is refused before anything runs: sloppy features, and options that would run them in another order."""

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

import pytest

from harness.collection.deselection import LEFT_OUT, left_out, refusal
from harness.collection.feature_lint import broken
from harness.collection.feature_model import Runbook, chapter_order
from harness.collection.feature_parser import definitions_of, read_chapter
from harness.collection.order import place_of
from harness.compat import FeatureFile
from harness.options import RUN, runs_features
from runbook.text import visible

#: Options of pytest and of its plugins that run scenarios in another order, in other processes, again, or not at all.
_OPTIONS = {
    "numprocesses": "-n",
    "tx": "--tx",
    "lf": "--lf",
    "failedfirst": "--ff",
    "newfirst": "--nf",
    "stepwise": "--sw",
    "stepwise_skip": "--sw-skip",
    "reruns": "--reruns",
    "force_reruns": "--force-reruns",
    "setuponly": "--setup-only",
    "setupplan": "--setup-plan",
}
#: Options with which pytest writes what it hears where no redaction stands, and what they are called.
_UNREDACTED = {"debug": "--debug", "pastebin": "--pastebin", "log_file": "--log-file"}
_AS_IT_IS = "it writes everything down as it is, secrets too"
_IN_ORDER = "a runbook runs each scenario once, in its order, in one process"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that lets definitions lie unused."""
    parser.getgroup("runbook").addoption(
        "--allow-unused", action="store_true", help="do not refuse definitions that no feature uses"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what would take the order out of the runbook's hands, before a plugin starts other processes."""
    if not runs_features(config):
        return
    given = [flag for name, flag in _OPTIONS.items() if config.getoption(name, None)]
    if config.getoption("dist", "no") != "no" and not given:
        given.append("--dist")
    if hasattr(config, "workerinput"):
        given.append("xdist")
    problems = [f"{flag}: {_IN_ORDER} → leave {flag} out" for flag in given]
    problems += [f"{flag}: {_AS_IT_IS} → leave {flag} out" for flag in _written_as_it_is(config)]
    if config.pluginmanager.hasplugin("randomly") and config.getoption("randomly_reorganize", default=True):
        problems.append(f"pytest-randomly shuffles: {_IN_ORDER} → add -p no:randomly")
    if problems:
        raise pytest.UsageError(*problems)


def _written_as_it_is(config: pytest.Config) -> list[str]:
    given = [flag for name, flag in _UNREDACTED.items() if config.getoption(name, None)]
    if config.getini("log_file") and "--log-file" not in given:
        given.append("log_file")
    return [*given, *(["--capture=tee-sys"] if config.option.capture == "tee-sys" else [])]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Check all feature files of the folders that were named; afterwards, that nobody shuffled what was selected."""
    if not runs_features(session.config):
        return (yield)
    chapters = [read_chapter(path) for path in _feature_files(session.config)]
    runbook = Runbook(chapters, definitions_of(session))
    _refuse(broken(runbook, _marks(session.config), allow_unused=session.config.option.allow_unused))
    result = yield
    _refuse(_shuffled(session.items))
    if (run := session.config.stash.get(RUN, None)) is not None:
        missing = session.config.stash[LEFT_OUT] = left_out(run, runbook.scenarios, session.items)
        _refuse(refusal(run, missing))
    return result


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise pytest.UsageError(*map(visible, problems))


def _feature_files(config: pytest.Config) -> list[Path]:
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    folders = {path.parent if path.suffix == ".feature" else path for path in paths}
    files = {file.resolve() for folder in folders if folder.is_dir() for file in folder.rglob("*.feature")}
    return sorted(files, key=chapter_order)


def _marks(config: pytest.Config) -> dict[str, bool]:
    """The registered marks, and whether each takes an argument."""
    heads = [line.partition(":")[0].strip() for line in config.getini("markers")]
    return {head.partition("(")[0]: "(" in head for head in heads}


def _shuffled(items: Iterable[pytest.Item]) -> list[str]:
    items = list(items)
    others = [item.nodeid for item in items if not isinstance(item.parent, FeatureFile)]
    if others:
        return [f"{others[0]} is no scenario: a run of the runbook runs feature files only → leave it out"]
    places = [place_of(item) for item in items]
    if len(set(places)) < len(places):
        return [f"a plugin repeats scenarios: {_IN_ORDER} → leave that plugin out with -p no:NAME"]
    if places != sorted(places):
        return [f"a plugin put the scenarios in another order: {_IN_ORDER} → leave that plugin out with -p no:NAME"]
    return []
