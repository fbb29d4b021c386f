"""Which feature files are run, in which order, and what must have passed before each scenario."""

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

#: The scenarios that provide each name, of all that were collected: one, or one for each strategy.
_PROVIDERS = pytest.StashKey[dict[str, list[str]]]()
#: Every scenario that was collected, and its number in the order of the run.
_ORDER = pytest.StashKey[dict[pytest.Item, int]]()
#: How many scenarios were left out because nobody asked for their mark.
_LEFT_OUT = pytest.StashKey[Counter[str]]()
#: What goes with a mark.
_ALSO = {"pre_deploy": ("--release", "TAG"), "restore": ("--dump", "FILE")}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let `--collect-only` read like a table of contents."""
    if config.option.collectonly and runs_features(config):
        install_contents_reporter(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a `.feature` file."""
    if file_path.suffix == ".feature" and runs_features(parent.config):
        return collect_feature(parent, file_path)
    return None


def pytest_bdd_apply_tag(tag: str, function: Callable[..., object]) -> object:
    """Turn `@needs:NAME` and its like into a mark with an argument; leave other tags to pytest-bdd."""
    name, colon, argument = tag.partition(":")
    if not colon:
        return None
    getattr(pytest.mark, name)(argument)(function)
    return True


def named(item: pytest.Item, mark: str) -> list[str]:
    """The arguments of a scenario's `mark:` tags, sorted: tags are a set in pytest-bdd."""
    return sorted(str(found.args[0]) for found in item.iter_markers(mark) if found.args)


def provided_by(item: pytest.Item) -> list[str]:
    """The names that a scenario provides; of one that is for one of several hosts, on that host."""
    return [on_host(name, host_of(item)) for name in named(item, "provides")]


def on_host(name: str, host: str) -> str:
    """What is provided under `name`, on that one of several hosts."""
    return f"{name}@{host}" if host else name


class Wanted:
    """Which of the names that scenarios provide each one needs: those of its own host, and of all hosts."""

    def __init__(self, selected: Iterable[pytest.Item], hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._of_each = {name for item in selected if host_of(item) for name in named(item, "provides")}

    def of(self, item: pytest.Item, *marks: str) -> list[str]:
        """The names that stand in these tags of a scenario."""
        names = [name for mark in marks for name in named(item, mark)]
        hosts = [host_of(item)] if host_of(item) else self._hosts
        return [on for name in names for on in self._on_each(name, hosts)]

    def _on_each(self, name: str, hosts: Sequence[str]) -> list[str]:
        return [on_host(name, host) for host in hosts] if name in self._of_each else [name]


def place_of(item: pytest.Item) -> tuple[Any, ...]:
    """Where a scenario stands in the runbook: its file by number and name, then its line there, then its row."""
    file = item.parent
    place = (file.position_of(item), file.row_of(item)) if isinstance(file, FeatureFile) else ()
    return (*chapter_order(item.path), *place)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put scenarios in the order of their files and lines, each behind the scenarios that provide what it needs."""
    if runs_features(config):
        # Before -k and -m take scenarios away: by name, so that a refusal can name what was not selected.
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
    """Tell whether nobody moved these scenarios since they were put in order."""
    order = config.stash[_ORDER]
    numbers = [order.get(item, -1) for item in items]
    return numbers == sorted(numbers)


def _leave_out_by_default(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what is no part of a rollback only when it was asked for by its mark."""
    if config.option.markexpr:
        return
    left_out = {item: mark for item in items if (mark := asked_for_by({each.name for each in item.iter_markers()}))}
    config.stash[_LEFT_OUT] = Counter(left_out.values())
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def asked_for_by(tags: Collection[str]) -> str | None:
    """The mark by which a scenario with these tags must be asked for, if it is no part of a rollback."""
    for mark in ("emergency", "restore", "pre_deploy", ABANDON):
        if mark in tags:
            return mark
    tied = {"needs", "after", "strategy"} & set(tags)
    return "post_deploy" if "post_deploy" in tags and not tied else None


def left_out_by_default(config: pytest.Config) -> list[str]:
    """Say, a line for each mark, what was left out because nobody asked for it, and how to ask."""
    typed = Typed.by(config).without("-m")
    return [
        f"{count} {'scenario' if count == 1 else 'scenarios'} left out, for -m {mark} only → type"
        f" {typed.plus('-m', mark, *_ALSO.get(mark, ()))}"
        for mark, count in config.stash.get(_LEFT_OUT, Counter()).items()
        if mark != ABANDON
    ]


def missing_needs(config: pytest.Config, selected: Iterable[pytest.Item], passed: Collection[str]) -> list[str]:
    """Say, a line each, which selected scenario needs one that was not selected, by the names of those that would do.

    `passed` are the names that passed in this incident before.
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
    """Which scenarios passed in this incident, by the name that they provide."""

    def __init__(
        self, selected: Iterable[pytest.Item], earlier: Collection[str] = (), hosts: Sequence[str] = ()
    ) -> None:
        """`earlier` are the names that passed in earlier runs of this incident, `hosts` those of several."""
        selected = list(selected)
        self._selected = {name for item in selected for name in provided_by(item)}
        self._wanted = Wanted(selected, hosts)
        self._hosts = hosts
        #: The scenarios of each host that have not passed yet, as far as they are to be run.
        self._waiting = {host: {item.nodeid for item in selected if host_of(item) == host} for host in hosts}
        self._earlier = frozenset(earlier)
        # What is run again must pass again: production may have moved since.
        self.reached = set(self._earlier - self._selected)

    def passed(self, item: pytest.Item) -> None:
        """Note that a scenario passed, or in a plan could be planned to its end."""
        self.reached.update(provided_by(item))
        self.settled(item)
        for name in named(item, "provides") if host_of(item) else ():
            # What all hosts have reached the incident has.
            if all(on_host(name, host) in self.reached for host in self._hosts):
                self.reached.add(name)

    def settled(self, item: pytest.Item) -> None:
        """Note that a scenario need not be run any more in this incident."""
        self._waiting.get(host_of(item), set()).discard(item.nodeid)

    def passed_before(self, item: pytest.Item) -> bool:
        """Tell whether an earlier run came past the point up to which `item` is run (`@until:`)."""
        past = bool(self._earlier.intersection(self._wanted.of(item, "until")))
        if past:
            self.reached |= self._earlier.intersection(provided_by(item))
        return past

    def unmet(self, item: pytest.Item) -> list[str]:
        """Name what `item` needs and did not pass; `after:` counts only if it was selected at all."""
        after = [name for name in self._wanted.of(item, "after") if name in self._selected]
        needs = self._wanted.of(item, "needs") + after
        return [name for name in needs if name not in self.reached]

    def host_before(self, item: pytest.Item) -> str:
        """The name of a host that comes before that of `item`, and is not done with; empty where there is none."""
        host = host_of(item)
        before = self._hosts[: self._hosts.index(host)] if host else ()
        return next((each for each in before if self._waiting[each]), "")
