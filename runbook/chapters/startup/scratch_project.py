"""The Compose project of a trial, beside production: its content, its start, and its complete removal."""

import json
import time
from collections.abc import Mapping
from typing import Any

from runbook.chapters.context import Context
from runbook.errors import HostError, Inconclusive
from runbook.hosts.command import Command, parsed_json
from runbook.migrations.image.contained import sweep
from runbook.production.compose import unescaped
from runbook.production.containers import Container
from runbook.release import Release

#: Labels of everything in a trial: the name of the production, and until when (seconds since 1970) it may run.
LABEL = "io.rollback-runbook.trial"
UNTIL = f"{LABEL}.until"
# The keys of a service that decide how its program starts. Those that could reach production or outlive the trial are
# left out: volumes, ports, devices, namespaces of others, added hosts, dependencies.
_KEPT = (
    "image", "command", "entrypoint", "environment", "working_dir", "user", "group_add", "healthcheck", "init", "tty",
    "stdin_open", "tmpfs", "read_only", "cap_add", "cap_drop", "security_opt", "secrets", "configs", "shm_size",
    "ulimits", "sysctls", "stop_signal", "mem_limit", "memswap_limit", "cpus", "pids_limit", "platform", "runtime",
)  # fmt: skip
# Fewer for the database: it has no volumes, so its settings, which may lie in them, are the image's own.
_KEPT_OF_DATABASE = (
    "environment", "user", "cap_add", "cap_drop", "security_opt", "secrets", "shm_size", "mem_limit", "cpus",
    "platform",
)  # fmt: skip
_SOCKETS = 10.0  # seconds, to look for sockets in a mounted folder
_LONGEST_LOG = 1 << 20  # bytes


class ScratchProject:
    """The project of one trial of one release."""

    def __init__(self, context: Context, release: Release) -> None:
        self._context = context
        self._release = release
        self.name = f"{context.incident.name.lower()}-trial"
        self.database = f"{self.name}-db"
        deadlines = context.settings.deadlines
        self._until = int(time.time() + deadlines.healthy + 20 * deadlines.command)
        self._file = b""

    def begin(self) -> None:
        """Start the database. Raises HostError and the like when that is not possible."""
        self._sweep()
        self._file = json.dumps(self._project()).encode()
        self._up(self._context.settings.database.service)

    def start_release(self) -> None:
        """Start what the release depends on, and the release."""
        services = json.loads(self._file)["services"]
        others = set(services) - {self._context.settings.database.service, *self._release.digests}
        if others:
            self._up(*sorted(others))
        self._up(*self._release.digests)

    def _up(self, *services: str) -> None:
        up = self._compose("up", "-d", "--no-deps", "--no-build", "--pull", "never", *services)
        self._context.host.check(up)

    def _compose(self, *arguments: str) -> Command:
        # At the root, where no .env and no Compose file of production would be read.
        argv = ("docker", "compose", "-p", self.name, "-f", "-", *arguments)
        return Command(argv, self._context.settings.deadlines.up, "/", stdin=self._file)

    def containers(self) -> list[Container]:
        """The release's containers in this project, by name."""
        listed = self._context.host.check(
            Command(("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", self._filter), self._deadline)
        )
        inspect = ("docker", "inspect", "--type", "container", *listed.text.split())
        inspecting = Command(inspect, self._deadline, secret_output=True)
        inspected = self._context.host.ask(inspecting, lambda answer: parsed_json(answer, list))
        found = [Container.parse(item) for item in inspected]
        return sorted((c for c in found if c.service in self._release.digests), key=lambda found: found.name)

    def log(self, container: Container) -> str:
        """The last 200 lines that a container has printed, both streams, without secrets."""
        command = Command(("docker", "logs", "--tail", "200", container.id), self._deadline, most_output=_LONGEST_LOG)
        answer = self._context.host.run(command)
        text = f"{answer.stdout.decode('utf-8', 'replace')}\n{answer.stderr.decode('utf-8', 'replace')}"
        return self._context.incident.journal.redactor.text(text)

    def remove(self) -> None:
        """Remove all of it. Raises Inconclusive, with the command to type, when something is left."""
        if not self._file:
            return
        done = self._context.host.run(self._compose("down", "--volumes", "--timeout", "0", "--remove-orphans"))
        if done.exit_code != 0:
            raise Inconclusive(
                f"the trial of the target could not be removed: {done.last_line}",
                f"docker compose -p {self.name} down --volumes --remove-orphans",
            )

    @property
    def _filter(self) -> str:
        return f"label=com.docker.compose.project={self.name}"

    @property
    def _deadline(self) -> float:
        return self._context.settings.deadlines.command

    def _sweep(self) -> None:
        """Remove what a killed trial of this production has left: its time is over."""
        label = f"label={LABEL}={self._context.settings.project.name}"
        for kind in ("container", "network"):
            sweep(self._context.host, kind, (label,), UNTIL, self._deadline)

    def _project(self) -> dict[str, Any]:
        production, settings = self._context.production, self._context.settings
        config = production.config(self._release.tag)
        database = settings.database.service
        running = {container.service: container for container in reversed(production.containers())}
        services: dict[str, Any] = {}
        for name in self._needed(config["services"], running):
            ours = name in self._release.digests
            image = self._release.pinned(name) if ours else running[name].image_id
            kept = _KEPT_OF_DATABASE if name == database else _KEPT
            services[name] = self._service(config["services"][name], kept) | {"image": image}
        services[database]["container_name"] = self.database
        aliases = _names(database, config["services"][database], running[database])
        services[database]["networks"] = {"default": {"aliases": aliases}}
        labels = {LABEL: settings.project.name, UNTIL: str(self._until)}
        return {
            "name": self.name,
            "services": services,
            "networks": {"default": {"internal": True, "labels": labels}},
            **{part: config[part] for part in ("secrets", "configs") if part in config},
        }

    def _needed(self, services: Mapping[str, Any], running: Mapping[str, Container]) -> list[str]:
        """The release's services, the database, and what they depend on that runs now and is not of the release."""
        project, database = self._context.settings.project.services, self._context.settings.database.service
        if database not in running or database not in services:
            raise Inconclusive(f"there is no service {database} to copy the schema from", "check database.service")
        as_now = self._context.production.services()
        found = dict.fromkeys([database, *self._release.digests])
        for name in found.copy():
            waiting = [name] if name != database else []
            while waiting:
                for other in filter(services.get, services[waiting.pop()].get("depends_on") or {}):
                    follows_tag = services[other].get("image") != as_now.get(other, {}).get("image")
                    up = other in running and running[other].state == "running"
                    if other not in found and other not in project and up and not follows_tag:
                        found[other] = None
                        waiting.append(other)
        return list(found)

    def _service(self, given: Mapping[str, Any], kept: tuple[str, ...]) -> dict[str, Any]:
        service = {key: given[key] for key in kept if given.get(key) is not None}
        if kept is not _KEPT_OF_DATABASE:
            mounts = [mount for mount in given.get("volumes") or () if self._harmless(mount)]
            service["volumes"] = [mount | {"read_only": True} for mount in mounts]
        return service | {
            "restart": "no",
            "labels": {LABEL: self._context.settings.project.name, UNTIL: str(self._until)},
            "logging": {"driver": "json-file", "options": {"max-size": "10m"}},
        }

    def _harmless(self, mount: Mapping[str, Any]) -> bool:
        """That a mount is a file or folder of the host in which no socket leads to production; it becomes read-only."""
        if mount.get("type") != "bind":
            return False
        find = ("find", "-H", unescaped(mount["source"]), "-xdev", "-type", "s", "-print", "-quit")
        try:
            found = self._context.host.run(Command(find, _SOCKETS))
        except HostError:
            return False
        return found.exit_code == 0 and not found.text


def _names(service: str, given: Mapping[str, Any], container: Container) -> list[str]:
    """The names under which the database's service is found in production's own networks."""
    names = [service, container.name, given.get("hostname"), given.get("container_name")]
    names += [
        alias for network in (given.get("networks") or {}).values() for alias in (network or {}).get("aliases") or ()
    ]
    return [str(name) for name in dict.fromkeys(names) if name]
