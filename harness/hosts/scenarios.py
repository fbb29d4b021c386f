"""For which of several hosts a scenario is run: for all of them at once, or for one, as often as there are hosts."""

from collections.abc import Sequence
from itertools import groupby

import pytest

from harness.compat import FeatureFile
from harness.options import RUN

#: The tag of scenarios whose steps are for all hosts.
ALL_HOSTS = "all_hosts"
#: The tag of scenarios that come before a change of the schema: where hosts share it, they are done on all of them.
BEFORE_SCHEMA = "before_schema"
_ARGUMENT = "runbook_host"


def hosts_of_run(config: pytest.Config) -> tuple[str, ...]:
    """The names of the hosts of this run, the canary first; none where there is one host."""
    run = config.stash.get(RUN, None)
    return tuple(name for name in run.on_each if name) if run else ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a scenario run once for each host, unless it is for all of them."""
    hosts, definition = hosts_of_run(metafunc.config), metafunc.definition
    if hosts and isinstance(definition.parent, FeatureFile) and not definition.get_closest_marker(ALL_HOSTS):
        metafunc.fixturenames.append(_ARGUMENT)
        metafunc.parametrize(_ARGUMENT, hosts)


def host_of(item: pytest.Item) -> str:
    """The name of the host for which a scenario is run; empty for one that is for all of them, or for the only one."""
    call = getattr(item, "callspec", None)
    return str(call.params.get(_ARGUMENT, "")) if call else ""


def host_by_host(items: Sequence[pytest.Item], hosts: Sequence[str]) -> list[pytest.Item]:
    """The same scenarios: between two that are for all hosts, those of one host before those of the next."""
    stretches = [list(stretch) for _, stretch in groupby(items, key=lambda item: bool(host_of(item)))]
    places = {host: place for place, host in enumerate(hosts)}
    # Sorting leaves those of one host as they were.
    return [item for stretch in stretches for item in sorted(stretch, key=lambda item: places.get(host_of(item), 0))]
