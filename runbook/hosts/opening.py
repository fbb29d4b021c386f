"""The production host as the settings describe it: this machine, or over SSH."""

from collections.abc import Callable

from runbook.hosts.command import Recorder
from runbook.hosts.host import Host
from runbook.hosts.local import LocalHost
from runbook.hosts.ssh.connection import connection_to
from runbook.hosts.ssh.host import SshHost
from runbook.settings.host import HostSettings


def open_host(settings: HostSettings, recorder: Recorder, patience: Callable[[], float] = lambda: 0.0) -> Host:
    """Return the production host, not yet connected. `recorder` and `patience` are those of `Host`."""
    if (address := settings.over_ssh) is None:
        return LocalHost(settings.environment, recorder, patience)
    return SshHost(connection_to(address, settings.ssh_config), settings.environment, recorder, patience)
