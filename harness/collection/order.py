"""The feature files to run, their order, and the prerequisites of each scenario."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.collection.feature_model import chapter_order, prerequisites_first
from harness.compat import FeatureFile, collect_feature, install_contents_reporter
from harness.hosts.scenarios import host_by_host, host_of, hosts_of_run
from harness.options import ABANDON, runs_features
from harness.session.retyped import Typed
from runbook.text import counted

#: All collected scenarios that provide each name: one, or one per strategy.
_PROVIDERS = pytest.StashKey[dict[str, list[str]]]()
#: Every collected scenario, with its position in the run.
_ORDER = pytest.StashKey[dict[pytest.Item, int]]()
#: The number of scenarios left out because their mark was not selected, by mark.
_LEFT_OUT = pytest.StashKey[Counter[str]]()
#: The options that must accompany a mark.
_ALSO = {"pre_deploy": ("--release", "TAG"), "restore": ("--dump", "FILE")}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make `--collect-only` read like a table of contents."""
    if config.option.collectonly and runs_features(config):
        install_contents_reporter(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a `.feature` file."""
    if file_path.suffix == ".feature" and runs_features(parent.config):
        return collect_feature(parent, file_path)
    return None


def pytest_bdd_apply_tag(tag: str, function: Callable[..., object]) -> object:
    """Turn a tag such as `@needs:NAME` into a mark with an argument. Other tags are left to pytest-bdd."""
    name, colon, argument = tag.partition(":")
    if not colon:
        return None
    getattr(pytest.mark, name)(argument)(function)
    return True


def named(item: pytest.Item, mark: str) -> list[str]:
    """Return the arguments of a scenario's `mark:` tags, sorted, because pytest-bdd keeps tags in a set."""
    return sorted(str(found.args[0]) for found in item.iter_markers(mark) if found.args)


def provided_by(item: pytest.Item) -> list[str]:
    """Return the names that a scenario provides, with its host if the scenario runs for one of several hosts."""
    return [on_host(name, host_of(item)) for name in named(item, "provides")]


def on_host(name: str, host: str) -> str:
    """Return `name` as provided on that one of several hosts."""
    return f"{name}@{host}" if host else name


class Wanted:
    """Resolves the names that scenarios need: on the scenario's host, or on all hosts."""

    def __init__(self, selected: Iterable[pytest.Item], hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._of_each = {name for item in selected if host_of(item) for name in named(item, "provides")}

    def of(self, item: pytest.Item, *marks: str) -> list[str]:
        """Return the names in these tags of a scenario."""
        names = [name for mark in marks for name in named(item, mark)]
        hosts = [host_of(item)] if host_of(item) else self._hosts
        return [on for name in names for on in self._on_each(name, hosts)]

    def _on_each(self, name: str, hosts: Sequence[str]) -> list[str]:
        return [on_host(name, host) for host in hosts] if name in self._of_each else [name]


def place_of(item: pytest.Item) -> tuple[Any, ...]:
    """Return the place of a scenario in the runbook: its file's number and name, its position there, its row."""
    file = item.parent
    place = (file.position_of(item), file.row_of(item)) if isinstance(file, FeatureFile) else ()
    return (*chapter_order(item.path), *place)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort scenarios by file and position, each after the scenarios that provide what it needs."""
    if runs_features(config):
        # Before -k and -m deselect scenarios, so that a refusal can name the scenarios that were not selected.
        providers = defaultdict(list)
        for item in items:
            for name in provided_by(item):
                providers[name].append(item.name)
        config.stash[_PROVIDERS] = providers
        _leave_out_by_default(config, items)
        in_turn = prerequisites_first(
            sorted(items, key=place_of),
            lambda item: (*named(item, "needs"), *named(item, "after")),
            lambda item: named(item, "provides"),
        )
        items[:] = host_by_host(in_turn, hosts_of_run(config))
        config.stash[_ORDER] = {item: number for number, item in enumerate(items)}


def are_in_order(config: pytest.Config, items: Iterable[pytest.Item]) -> bool:
    """Return whether these scenarios are still in the order of the runbook."""
    order = config.stash[_ORDER]
    numbers = [order.get(item, -1) for item in items]
    return numbers == sorted(numbers)


def _leave_out_by_default(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out scenarios that are no part of a rollback, unless their mark is selected."""
    if config.option.markexpr:
        return
    left_out = {item: mark for item in items if (mark := asked_for_by({each.name for each in item.iter_markers()}))}
    config.stash[_LEFT_OUT] = Counter(left_out.values())
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def asked_for_by(tags: Collection[str]) -> str | None:
    """Return the mark that selects a scenario with these tags, or None if it is part of a rollback."""
    for mark in ("emergency", "restore", "pre_deploy", ABANDON):
        if mark in tags:
            return mark
    tied = {"needs", "after", "strategy"} & set(tags)
    return "post_deploy" if "post_deploy" in tags and not tied else None


def left_out_by_default(config: pytest.Config) -> list[str]:
    """Return one line per mark: how many scenarios were left out, and the command that runs them."""
    typed = Typed.by(config).without("-m")
    return [
        f"{counted(count, 'scenario')} left out without -m {mark} → type {typed.plus('-m', mark, *_ALSO.get(mark, ()))}"
        for mark, count in config.stash.get(_LEFT_OUT, Counter()).items()
        if mark != ABANDON
    ]


def missing_needs(config: pytest.Config, selected: Iterable[pytest.Item], passed: Collection[str]) -> list[str]:
    """Return one line per unmet need: the selected scenario, and the scenarios that would provide the need.

    `passed` are the names that passed earlier in this incident.
    """
    selected = list(selected)
    provided = {name for item in selected for name in provided_by(item)} | set(passed)
    wanted = Wanted(selected, hosts_of_run(config))
    providers = config.stash.get(_PROVIDERS, {})
    return [
        f"{item.name!r} needs {' or '.join(map(repr, providers.get(need) or [need]))}"
        for item in selected
        for need in wanted.of(item, "needs")
        if isinstance(item.parent, FeatureFile) and need not in provided
    ]


class Prerequisites:
    """The names provided by the scenarios that passed in this incident."""

    def __init__(
        self, selected: Iterable[pytest.Item], earlier: Collection[str] = (), hosts: Sequence[str] = ()
    ) -> None:
        """`earlier` are the names that passed in earlier runs of the incident; `hosts` is empty for a single host."""
        selected = list(selected)
        self._selected = {name for item in selected for name in provided_by(item)}
        self._wanted = Wanted(selected, hosts)
        self._hosts = hosts
        #: The scenarios of each host that are still to run.
        self._waiting = {host: {item.nodeid for item in selected if host_of(item) == host} for host in hosts}
        self._earlier = frozenset(earlier)
        # What runs again must pass again: production may have changed since.
        self.reached = set(self._earlier - self._selected)

    def passed(self, item: pytest.Item) -> None:
        """Record that a scenario passed, or, in a plan, was planned to its end."""
        self.reached.update(provided_by(item))
        self.settled(item)
        for name in named(item, "provides") if host_of(item) else ():
            # A name that all hosts have reached is reached for the incident.
            if all(on_host(name, host) in self.reached for host in self._hosts):
                self.reached.add(name)

    def settled(self, item: pytest.Item) -> None:
        """Record that a scenario need not run again in this incident."""
        self._waiting.get(host_of(item), set()).discard(item.nodeid)

    def passed_before(self, item: pytest.Item) -> bool:
        """Return whether an earlier run passed the point up to which `item` runs (`@until:`)."""
        past = bool(self._earlier.intersection(self._wanted.of(item, "until")))
        if past:
            self.reached |= self._earlier.intersection(provided_by(item))
        return past

    def unmet(self, item: pytest.Item) -> list[str]:
        """Return what `item` needs and has not passed. `after:` counts only if that scenario is selected."""
        after = [name for name in self._wanted.of(item, "after") if name in self._selected]
        needs = self._wanted.of(item, "needs") + after
        return [name for name in needs if name not in self.reached]

    def host_before(self, item: pytest.Item) -> str:
        """Return a host that comes before the host of `item` and still has scenarios to run, or an empty string."""
        host = host_of(item)
        before = self._hosts[: self._hosts.index(host)] if host else ()
        return next((each for each in before if self._waiting[each]), "")
