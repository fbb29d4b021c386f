"""The Compose project of a trial, beside production: its content, its start, and its removal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from runbook.chapters.configuration.restored import as_it_will_be
from runbook.chapters.context import Context
from runbook.errors import EngineError, HostError, Inconclusive, RunbookError
from runbook.hosts.command import Command, Completed
from runbook.migrations.image.contained import sweep
from runbook.production.compose import unescaped
from runbook.production.containers import Container
from runbook.release import Release
from runbook.settings.database import DatabaseSettings

#: Labels of everything in a trial: production's project name, and the end of its time (seconds since 1970).
LABEL = "io.rollback-runbook.trial"
UNTIL = f"{LABEL}.until"
# The keys of a service that decide how its program starts. Keys that could reach production or outlive the trial are
# left out: volumes, ports, devices, other containers' namespaces, extra hosts, dependencies.
_KEPT = (
    "image", "command", "entrypoint", "environment", "working_dir", "user", "group_add", "healthcheck", "init", "tty",
    "stdin_open", "tmpfs", "read_only", "cap_add", "cap_drop", "security_opt", "secrets", "configs", "shm_size",
    "ulimits", "sysctls", "stop_signal", "mem_limit", "memswap_limit", "cpus", "pids_limit", "platform", "runtime",
)  # fmt: skip
# Fewer for the database: it has no volumes, which may contain its configuration, so it uses the image's.
_KEPT_OF_DATABASE = (
    "environment", "user", "cap_add", "cap_drop", "security_opt", "secrets", "shm_size", "mem_limit", "cpus",
    "platform",
)  # fmt: skip
_FILES = ("secrets", "configs")  # files that Compose mounts by name
_MOUNTED = 10.0  # seconds for listing mounted folders
_MOST_FILES = 4 << 20  # bytes of a listing of mounted files
_LONGEST_LOG = 1 << 20  # bytes
# Python is there: it was asked for the image's migrations before.
_WAITS = "import signal; signal.pause()"


def database_of(context: Context) -> DatabaseSettings:
    """Return the database's settings. Raises Inconclusive when the database is not a service of the project."""
    settings = context.settings.database
    if settings is None or settings.url:
        raise Inconclusive(
            "unknown whether the target can start on this schema: a trial needs a database service in the project",
            "find out whether it migrates at start, and set migrations.at_start to true or false",
        )
    return settings


class ScratchProject:
    """The project of one trial of one release."""

    def __init__(self, context: Context, release: Release) -> None:
        self._context = context
        self._release = release
        self.name = f"{context.incident.name.lower()}-trial"
        self.database = f"{self.name}-db"
        deadlines = context.settings.deadlines
        self._until = int(context.host.now() + deadlines.healthy + 20 * deadlines.command)
        self._file = b""

    def begin(self, *beside: str) -> None:
        """Start the database. Raises a RunbookError, such as HostError, when that fails.

        The services of the release in `beside` are started too, but only wait for `run`.
        """
        self._sweep()
        made = dict(self._made)
        made["services"] = services = dict(made["services"])
        for name in beside:
            waits = {key: value for key, value in services[name].items() if key not in ("command", "healthcheck")}
            python = self._context.settings.migrations.python
            services[name] = waits | {"container_name": self._waiting(name), "entrypoint": [python, "-c", _WAITS]}
        self._file = json.dumps(made).encode()
        self._up(self._database, *beside)

    def question(self) -> list[Any] | None:
        """Return all that decides how the database and the release's services start here, in the same form in each run.

        Images are identified by id, and the host's mounted files by size and change time. None if any of it is unknown.
        """
        services: dict[str, Any] = {}
        for name in (self._database, *self._release.digests):
            service = dict(self._made["services"][name])
            service["image"] = self._context.production.image_id(service["image"])
            if service["image"] is None:
                return None
            services[name] = {key: value for key, value in service.items() if key not in ("labels", "container_name")}
        parts = {part: self._made[part] for part in _FILES if part in self._made}
        files = self._mounted(services, parts)
        return None if files is None else [services, parts, files]

    def _mounted(self, services: Mapping[str, Any], parts: Mapping[str, Any]) -> str | None:
        """Return a listing of the host's mounted files, without their content; None if they cannot be listed."""
        folders = [mount["source"] for service in services.values() for mount in service.get("volumes") or ()]
        files = [each["file"] for part in parts.values() for each in part.values() if "file" in each]
        if not folders and not files:
            return ""
        paths = sorted({unescaped(path) for path in (*folders, *files)})
        find = ("find", "-H", *paths, "-xdev", "-printf", r"%p %y %s %C@ %l\n")
        try:
            found = self._context.host.run(Command(find, _MOUNTED, secret_output=True, most_output=_MOST_FILES))
        except HostError:
            return None
        return found.text if found.exit_code == 0 else None

    def start_release(self) -> None:
        """Start the release's dependencies, then the release."""
        services = json.loads(self._file)["services"]
        others = set(services) - {self._database, *self._release.digests}
        if others:
            self._up(*sorted(others))
        self._up(*self._release.digests)

    @contextmanager
    def removed_afterwards(self) -> Iterator[None]:
        """Remove the project at the end. Raises what the body raised, or RunbookError when something is left."""
        try:
            yield
        except RunbookError:
            self.remove()
            raise
        except BaseException:
            # Ctrl-C and the like: a failed removal must not hide it.
            with suppress(RunbookError):
                self.remove()
            raise
        self.remove()

    def run(self, service: str, argv: Sequence[str], deadline: float) -> Completed:
        """Run `argv` in the container of `service` that waits beside the copy."""
        return self._context.host.run(
            Command(("docker", "exec", self._waiting(service), *argv), deadline, secret_output=True)
        )

    def _waiting(self, service: str) -> str:
        return f"{self.name}-{service}"

    def _up(self, *services: str) -> None:
        up = self._compose("up", "-d", "--no-deps", "--no-build", "--pull", "never", *services)
        self._context.host.check(up)

    def _compose(self, *arguments: str) -> Command:
        # In the root directory, so that production's .env and Compose files are not read.
        argv = ("docker", "compose", "-p", self.name, "-f", "-", *arguments)
        return Command(argv, self._context.settings.deadlines.up, "/", stdin=self._file)

    def containers(self) -> list[Container]:
        """Return the release's containers in this project, sorted by name."""
        label = f"com.docker.compose.project={self.name}"
        engine = self._context.host.engine
        inspected = self._context.host.retry(lambda: engine.containers([label], self._deadline))
        try:
            found = [Container.parse(item) for item in inspected]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise EngineError("the engine's list of containers could not be read", "docker ps") from None
        return sorted((c for c in found if c.service in self._release.digests), key=lambda found: found.name)

    def log(self, container: Container) -> str:
        """Return the last 200 lines of a container's output, both streams, without secrets."""
        said: list[bytes] = []
        self._context.host.engine.logs(
            container.id, said.append, self._deadline, tty=container.tty, tail=200, most=_LONGEST_LOG
        )
        text = b"".join(said).decode("utf-8", "replace")
        return self._context.incident.journal.redactor.text(text)

    def remove(self) -> None:
        """Remove the project if it was begun. Raises Inconclusive, with the command to type, when something is left."""
        if not self._file:
            return
        done = self._context.host.run(self._compose("down", "--volumes", "--timeout", "0", "--remove-orphans"))
        if done.exit_code != 0:
            raise Inconclusive(
                f"the trial of the target could not be removed: {done.last_line}",
                f"docker compose -p {self.name} down --volumes --remove-orphans",
            )
        self._file = b""

    @property
    def _database(self) -> str:
        return database_of(self._context).service

    @property
    def _deadline(self) -> float:
        return self._context.settings.deadlines.command

    def _sweep(self) -> None:
        """Remove what killed trials of this production have left, if their time is over."""
        ours = {"label": f"{LABEL}={self._context.settings.project.name}"}
        for kind in ("container", "network"):
            sweep(self._context.host, kind, ours, UNTIL, self._deadline)

    @cached_property
    def _made(self) -> dict[str, Any]:
        return self._project()

    def _project(self) -> dict[str, Any]:
        production, settings = as_it_will_be(self._context), self._context.settings
        config = production.config(self._release.tag)
        database = self._database
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
            **{part: config[part] for part in _FILES if part in config},
        }

    def _needed(self, services: Mapping[str, Any], running: Mapping[str, Container]) -> list[str]:
        """Return the release's services, the database, and their running dependencies that are not of the release."""
        project, database = self._context.settings.project.services, self._database
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
        """Return whether a mount is a file or folder of the host without a socket, which could lead to production."""
        if mount.get("type") != "bind":
            return False
        find = ("find", "-H", unescaped(mount["source"]), "-xdev", "-type", "s", "-print", "-quit")
        try:
            found = self._context.host.run(Command(find, _MOUNTED))
        except HostError:
            return False
        return found.exit_code == 0 and not found.text


def _names(service: str, given: Mapping[str, Any], container: Container) -> list[str]:
    """Return the names under which the database's service is found in production's networks."""
    names = [service, container.name, given.get("hostname"), given.get("container_name")]
    names += [
        alias for network in (given.get("networks") or {}).values() for alias in (network or {}).get("aliases") or ()
    ]
    return [str(name) for name in dict.fromkeys(names) if name]
