"""Refusals before anything runs: feature files that break the rules, and options that change order or repetition."""

import os
from collections.abc import Collection, Generator, Iterable, Sequence
from pathlib import Path

import pytest

from harness.collection.deselection import LEFT_OUT, left_out, refusal
from harness.collection.feature_lint import broken
from harness.collection.feature_model import Runbook, chapter_order
from harness.collection.feature_parser import definitions_of, read_chapter
from harness.collection.meddlers import COLLECTING, without_meddlers
from harness.collection.order import are_in_order, place_of
from harness.compat import FeatureFile
from harness.hosts.scenarios import host_of
from harness.options import RUN, runs_features
from harness.session.retyped import Typed
from runbook.text import visible

#: Options of pytest and its plugins that run scenarios in another order, in other processes, again, or not at all.
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
#: Options with which pytest writes output that is not redacted.
_UNREDACTED = {"debug": "--debug", "pastebin": "--pastebin", "log_file": "--log-file"}
#: Options of pytest-xdist. Each one implies the others.
_SPREADING = ("-n", "--tx", "--dist", "-d")
_AS_IT_IS = "its output is not redacted and may contain secrets"
_IN_ORDER = "a runbook runs each scenario once, in order, in one process"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--allow-unused`, which accepts step definitions that no feature uses."""
    parser.getgroup("runbook").addoption(
        "--allow-unused", action="store_true", help="allow step definitions that no feature uses"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that change the order of scenarios, before a plugin starts other processes."""
    if not runs_features(config):
        return
    problems, typed = misplaced(config, Typed.by(config))
    if problems:
        raise pytest.UsageError(visible(f"{'; '.join(problems)} → type {typed}"))


def misplaced(config: pytest.Config, typed: Typed) -> tuple[list[str], Typed]:
    """Return the problems with the options and plugins of this run, and the command without them."""
    taken = [flag for name, flag in _OPTIONS.items() if config.getoption(name, None)]
    if config.getoption("dist", "no") != "no" and not taken:
        taken.append("--dist")
    written = [flag for name, flag in _UNREDACTED.items() if config.getoption(name, None)]
    if getattr(config.option, "capture", None) == "tee-sys":  # missing if the plugin is blocked
        written.append("--capture")
    # --dist needs the option that sets the processes, and the reverse: removing only one leaves an invalid command.
    typed = typed.without(*taken, *written, *(_SPREADING if set(taken) & set(_SPREADING) else ()))
    if "--log-file" in typed.known and config.getini("log_file"):
        written.append("log_file")
        typed = typed.plus("-o", "log_file=")
    if hasattr(config, "workerinput"):
        taken.append("xdist")
    problems = [f"{', '.join(taken)}: {_IN_ORDER}"] if taken else []
    problems += [f"{', '.join(dict.fromkeys(written))}: {_AS_IT_IS}"] if written else []
    if config.pluginmanager.hasplugin("randomly") and config.getoption("randomly_reorganize", default=True):
        problems.append(f"pytest-randomly shuffles: {_IN_ORDER}")
        typed = typed.plus("--randomly-dont-reorganize")
    return problems, typed


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Check all feature files of the named folders. Afterwards, check that no plugin moved or repeated scenarios."""
    if not runs_features(session.config):
        return (yield)
    chapters = [read_chapter(path) for path in _feature_files(session.config)]
    runbook = Runbook(chapters, definitions_of(session))
    typed = Typed.by(session.config)
    allowing = None if session.config.option.allow_unused else str(typed.plus("--allow-unused"))
    _refuse(broken(runbook, _marks(session.config), allowing))
    result = yield
    _refuse(_shuffled(session.config, session.items, typed))
    if (run := session.config.stash.get(RUN, None)) is not None:
        missing = session.config.stash[LEFT_OUT] = left_out(run, runbook.scenarios, session.items)
        _refuse(refusal(run, missing, typed))
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
    """Return the registered marks; the value is True if the mark takes an argument."""
    heads = [line.partition(":")[0].strip() for line in config.getini("markers")]
    return {head.partition("(")[0]: "(" in head for head in heads}


def _shuffled(config: pytest.Config, items: Iterable[pytest.Item], typed: Typed) -> list[str]:
    items = list(items)
    others = [item for item in items if not isinstance(item.parent, FeatureFile)]
    if others:
        told = "is not a scenario: the runbook runs only feature files"
        return [f"{others[0].nodeid} {told} → type {_without_files(config, {item.path for item in others}, typed)}"]
    places = [(*place_of(item), host_of(item)) for item in items]
    if len(set(places)) < len(places):
        return [f"a plugin repeats scenarios: {_IN_ORDER} → {without_meddlers(config, typed, COLLECTING)}"]
    if not are_in_order(config, items):
        return [
            f"a plugin changed the order of the scenarios: {_IN_ORDER} → {without_meddlers(config, typed, COLLECTING)}"
        ]
    return []


def _without_files(config: pytest.Config, files: Collection[Path], typed: Typed) -> Typed:
    """Return the command without these files: not named, and ignored if they are in a folder of features."""
    started_in = config.invocation_params.dir

    def stays(path: Path) -> bool:
        return path.suffix == ".feature" or (path.is_dir() and any(path.glob("*.feature")))

    named = [started_in / argument.partition("::")[0] for argument in config.args]
    found = [file for file in sorted(files) if any(stays(path) and path in file.parents for path in named)]
    ignored = [f"--ignore={os.path.relpath(file, started_in)}" for file in found]
    return typed.without_paths(lambda word: not stays(started_in / word.partition("::")[0])).plus(*ignored)
