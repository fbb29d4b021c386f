"""The start trial: the target runs apart from production on a copy of the schema, and migrates, exits, or runs well.

The trial is a separate Compose project on an internal network. It contains:

- a database of production's database image, under the same names, with production's roles, schema and revision but no
  rows;
- the target's services as Compose would start them, without ports and other ways to production. Of their volumes, only
  bind mounts without sockets are there, read-only;
- the running services that these depend on.

All of it is removed afterwards. The result is never kept for a later run, because it depends on the timing of the
services relative to each other.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runbook.actions import Observation
from runbook.chapters.context import Context
from runbook.chapters.startup.live_schema import live_schema
from runbook.chapters.startup.scratch_database import ScratchDatabase, carrying_out
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.errors import Inconclusive, RunbookError
from runbook.hosts.command import error_line
from runbook.production.containers import Container
from runbook.release import Release

_PAUSE = 0.5  # seconds between two polls
_SILENT = 20.0  # seconds in which a healthy service should have connected to the database
_UNKNOWN_REVISION = "Can't locate revision"


class StartTrial:
    """A start trial of one release."""

    def __init__(self, context: Context, release: Release, relaxed: Sequence[str] = ()) -> None:
        """`relaxed` has the statements of the bridge that will be built before the target starts."""
        self._relaxed = relaxed
        self._context = context
        self._release = release
        self._project = ScratchProject(context, release)
        self._database = ScratchDatabase(context, self._project)
        self._connected: set[str] = set()
        self._answered = False

    def run(self) -> Observation:
        """Start the release and watch it for at most `deadlines.healthy` seconds.

        Raises Inconclusive when the trial is not possible, or when its result is unclear.
        """
        began = time.monotonic()
        with self._set_up():
            seen = self._watched()
        return Observation(seen.ok, f"{seen.seen} (tried on a copy of the schema in {time.monotonic() - began:.0f} s)")

    @contextmanager
    def _set_up(self) -> Iterator[None]:
        try:
            with self._project.removed_afterwards():
                live = live_schema(self._context)
                self._project.begin()
                self._database.copy(live, *([carrying_out(self._relaxed)] if self._relaxed else []))
                self._database.take_baseline()
                self._project.start_release()
                yield
        except RunbookError as error:
            raise (error if isinstance(error, Inconclusive) else _inconclusive(error.seen)) from None

    def _watched(self) -> Observation:
        deadlines = self._context.settings.deadlines
        until, steady_since = time.monotonic() + deadlines.healthy, time.monotonic()
        before: list[str] = []
        while True:
            containers = self._project.containers()
            if moved := self._database.moved():
                return self._migrates(moved)
            for container in containers:
                if container.state not in ("running", "created"):
                    return self._ended(container)
            healthy = all(c.state == "running" and c.health in ("healthy", "none") for c in containers)
            silent, now = self._silent(containers), time.monotonic()
            # A client that has just connected, or is in a transaction, may be about to migrate.
            if not healthy or silent != before or self._database.busy():
                before, steady_since = silent, now
            if not silent and now - steady_since >= deadlines.stable:
                if changed := self._database.changed():
                    return self._migrates(changed)
                names = ", ".join(container.service for container in containers)
                return Observation(
                    ok=True, seen=f"{names} started, connected to the database and changed neither schema nor revision"
                )
            # An api that does not answer yet may still be starting: wait for it until the deadline.
            started = self._answered or self._context.settings.api not in self._release.digests
            if silent and started and now - steady_since >= max(_SILENT, deadlines.stable):
                raise _inconclusive(f"on the copy of the schema {', '.join(silent)}")
            if now > until:
                raise _inconclusive("; ".join((*silent, *(container.one_line for container in containers))))
            time.sleep(_PAUSE)

    def _migrates(self, what: str) -> Observation:
        return Observation(ok=False, seen=f"{', '.join(self._release.digests)}: at start, the target {what}")

    def _ended(self, container: Container) -> Observation:
        """Return the failure of an image that migrates. Raises Inconclusive when it exited for any other reason."""
        log = self._project.log(container)
        died = next((line.strip() for line in log.splitlines() if _UNKNOWN_REVISION in line), None)
        if died:
            return Observation(ok=False, seen=f"{container.service} migrates at start and exits: {died}")
        error = error_line(log) or "it printed nothing"
        raise _inconclusive(f"{container.service} ended with exit code {container.exit_code}: {error}")

    def _silent(self, containers: list[Container]) -> list[str]:
        """Return, in words, which services have not connected to the copy yet, and whether the api has not answered."""
        addresses = {address: container.service for container in containers for address in container.addresses}
        self._connected |= {addresses[each] for each in self._database.clients() if each in addresses}
        silent = [
            f"{c.service} did not connect to the database" for c in containers if c.service not in self._connected
        ]
        api = self._context.settings.api
        for container in containers:
            if container.service == api and (api not in self._connected or not self._answered):
                # To report its readiness, it has to query its database.
                self._answered = self._context.health.is_answering(container)
                silent += [] if self._answered else [f"{api} did not answer a request"]
        return silent


def _inconclusive(why: str) -> Inconclusive:
    return Inconclusive(
        f"unknown whether the target can start on this schema: {why}",
        "find out whether it migrates at start, and set migrations.at_start to true or false",
    )
