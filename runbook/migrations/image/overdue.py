"""What a killed run left at work beside production: told by a label that holds until when it may be there."""

import time
from collections.abc import Sequence

from runbook.hosts.command import Command
from runbook.hosts.local import Host

_REMOVAL = 60.0  # seconds


def sweep(host: Host, kind: str, mine: Sequence[str], until: str, deadline: float) -> None:
    """Remove every container or network (`kind`) that docker's filters `mine` let through and whose time is over.

    That time is the value of its label `until`, in seconds since 1970; `deadline` is in seconds. Raises HostError when
    they cannot be listed.
    """
    everything = ("--all", "--no-trunc") if kind == "container" else ()
    filters = [word for each in mine for word in ("--filter", each)]
    label = f'{{{{.ID}}}} {{{{.Label "{until}"}}}}'
    argv = ("docker", kind, "ls", *everything, *filters, "--format", label)
    pairs = [line.split() for line in host.check(Command(argv, deadline)).text.splitlines()]
    over = [pair[0] for pair in pairs if len(pair) == 2 and pair[1].isdigit() and int(pair[1]) < time.time()]
    if over:
        remove = ("rm", "--force", "--volumes") if kind == "container" else ("rm",)
        host.run(Command(("docker", kind, *remove, *over), _REMOVAL))
