"""The scenarios of a run with several hosts: once for all hosts, or once per host."""

from collections.abc import Sequence
from itertools import groupby

import pytest

from harness.compat import FeatureFile
from harness.options import RUN

#: The tag of scenarios whose steps cover all hosts.
ALL_HOSTS = "all_hosts"
#: The tag of scenarios before a schema change. Hosts that share the schema all run them first.
BEFORE_SCHEMA = "before_schema"
_ARGUMENT = "runbook_host"


def hosts_of_run(config: pytest.Config) -> tuple[str, ...]:
    """Return the names of the hosts of this run, the canary first; empty if there is only one host."""
    run = config.stash.get(RUN, None)
    return tuple(name for name in run.on_each if name) if run else ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a scenario to run once per host, unless it is for all hosts."""
    hosts, definition = hosts_of_run(metafunc.config), metafunc.definition
    if hosts and isinstance(definition.parent, FeatureFile) and not definition.get_closest_marker(ALL_HOSTS):
        metafunc.fixturenames.append(_ARGUMENT)
        metafunc.parametrize(_ARGUMENT, hosts)


def host_of(item: pytest.Item) -> str:
    """Return the host a scenario runs for. Empty for all hosts, or for the only one."""
    call = getattr(item, "callspec", None)
    return str(call.params.get(_ARGUMENT, "")) if call else ""


def host_by_host(items: Sequence[pytest.Item], hosts: Sequence[str]) -> list[pytest.Item]:
    """Reorder the scenarios between two that are for all hosts: those of one host before those of the next."""
    stretches = [list(stretch) for _, stretch in groupby(items, key=lambda item: bool(host_of(item)))]
    places = {host: place for place, host in enumerate(hosts)}
    # sorted() is stable: the scenarios of one host keep their order.
    return [item for stretch in stretches for item in sorted(stretch, key=lambda item: places.get(host_of(item), 0))]
