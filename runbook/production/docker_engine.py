"""The Docker engine on the production host: the project's containers, images, and free disk space."""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import NoneType
from typing import Any

from runbook.errors import CommandFailed, EngineError, ProductionError, RunbookError
from runbook.hosts.command import Command
from runbook.hosts.files.files import Files
from runbook.hosts.host import Host
from runbook.production.containers import Container
from runbook.production.remembered import Remembered
from runbook.settings.schema import Deadlines, Project

#: The runbook's folder in the project's directory on the host.
FOLDER = ".runbook"
_LABEL = "com.docker.compose"
_NOT_ONE_OFF = f"{_LABEL}.oneoff=False"
_NAME_DEADLINE = 10.0  # seconds, for names and versions
_ENGINES = ("DOCKER_HOST", "DOCKER_CONTEXT")  # in docker's own order
_IS_IT_ANSWERING = "check that the engine answers: `docker version`"


class DockerEngine:
    """The engine's API for one Compose project."""

    def __init__(self, host: Host, project: Project, deadlines: Deadlines) -> None:
        self.host = host
        self.project = project
        self.directory = str(project.directory)
        self._deadlines = deadlines
        self.remembered = Remembered()

    def command(self, *argv: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """Return a command that runs in the project's directory. `deadline` is in seconds."""
        return Command(argv, deadline or self._deadlines.command, self.directory, stdin)

    @property
    def files(self) -> Files:
        """The host's files."""
        return self.host.files(self._deadlines.command)

    def existing(self, paths: Iterable[str]) -> list[str]:
        """Return the `paths` that exist. Relative paths are in the project's directory."""
        given = {path: posixpath.join(self.directory, path) for path in paths}
        there = self.files.there(list(given.values()))
        return [path for path, whole in given.items() if whole in there]

    def inspect_containers(self, *labels: str) -> list[dict[str, Any]]:
        """Return the project's containers with these labels as ContainerInspect, running or not."""
        ours = f"{_LABEL}.project={self.project.name}"
        return self.host.engine.containers((ours, *labels), self._deadlines.command)

    def containers(self) -> list[Container]:
        """Return every container of the project except one-off containers, running or not, sorted by name."""

        def now() -> list[Container]:
            try:
                found = [Container.parse(each) for each in self.inspect_containers(_NOT_ONE_OFF)]
            except (KeyError, TypeError, ValueError, AttributeError):
                raise EngineError("the engine's answer is not a list of containers", _IS_IT_ANSWERING) from None
            return sorted(found, key=lambda container: container.name)

        return list(self.remembered.seen("containers", lambda: self.host.retry(now), told_by_engine=True))

    def container(self, name: str) -> dict[str, Any] | None:
        """Return a container of any project as ContainerInspect; None if there is none of this name."""
        return self.host.engine.container(name, self._deadlines.command)

    def memory_of(self, container: Container) -> int | None:
        """Return the bytes of memory that a container uses; None when it does not run."""
        return self.host.engine.memory_of(container.id, self._deadlines.command)

    def log_of(
        self, container: Container, take: Callable[[bytes], None], *, since: float | None, tail: int, most: int
    ) -> bool:
        """Pass the last `tail` lines of a container's log to `take`.

        `since` is in seconds since 1970. Returns False if the log was cut off: it has more than `most` bytes, or the
        deadline passed. Raises EngineError when the log cannot be read.
        """
        deadline = self._deadlines.command
        return self.host.engine.logs(container.id, take, deadline, tty=container.tty, since=since, tail=tail, most=most)

    def running(self) -> list[Container]:
        """Return the project's containers.

        Raises ProductionError when none is running, or when they were not brought up from project.directory.
        """
        containers = self.containers()
        if not any(container.state in ("running", "restarting") for container in containers):
            others = ", ".join(self.projects_on_host()) or "none"
            raise ProductionError(
                f"the Compose project {self.project.name} is not running on this host (running projects: {others})",
                "check project.name and host in the settings, or bring the project up first",
            )
        strangers = {container.directory for container in containers} - {self.directory, ""}
        if strangers:
            raise ProductionError(
                f"the project {self.project.name} was brought up from {', '.join(sorted(strangers))},"
                f" but project.directory is {self.directory}",
                "set project.directory to the folder from which production was brought up",
            )
        return containers

    def of_services(self, services: Iterable[str]) -> list[Container]:
        """Return the containers of `services`. Raises ProductionError when a service has none, or as `running` does."""
        wanted = set(services)
        found = [container for container in self.running() if container.service in wanted]
        missing = wanted - {container.service for container in found}
        if missing:
            raise ProductionError(
                f"no container of {', '.join(sorted(missing))} in the project {self.project.name}",
                "check project.services, or bring the service up",
            )
        return found

    def projects_on_host(self) -> list[str]:
        """Return the Compose projects with a running container on this host, sorted."""
        labels = self.host.engine.labels_of_running(self._deadlines.command)
        return sorted({str(name) for each in labels if (name := each.get(f"{_LABEL}.project"))})

    def image(self, reference: str) -> dict[str, Any] | None:
        """Return the image `reference` on the host as ImageInspect; None when it is not there."""

        def now() -> dict[str, Any] | None:
            found = self.host.engine.image(reference, self._deadlines.command)
            if found is not None:
                _member(found, "Id", str)
                _member(found, "RepoDigests", (list, NoneType))  # null without digests
            return found

        return self.remembered.seen(("image", reference), lambda: self.host.retry(now))

    def image_id(self, reference: str) -> str | None:
        """Return the id of the image `reference` on the host; None when it is not there."""
        found = self.image(reference)
        return None if found is None else str(found["Id"])

    def digests_of(self, reference: str) -> list[str]:
        """Return the registry digests (`name@sha256:…`) of an image on the host; empty without any."""
        return list(map(str, (self.image(reference) or {}).get("RepoDigests") or []))

    @cached_property
    def compose_version(self) -> str:
        """The version of Compose on the host, requested once; empty when unknown."""
        command, tell = self.command("docker", "compose", "version", "--short"), self.host.put_on_record
        asking = replace(command, deadline=_NAME_DEADLINE)
        try:
            answer = self.remembered.made((command.argv, ()), lambda: "", lambda: self.host.run(asking), tell)
        except RunbookError:
            return ""
        return " ".join(answer.text.split()) if answer.exit_code == 0 else ""

    def platform(self) -> str | None:
        """Return the engine's platform, as in `linux/amd64`; None when unknown."""
        try:
            found = self.host.engine.version(_NAME_DEADLINE)
        except RunbookError:
            return None
        return f"{found['Os']}/{found['Arch']}" if found.get("Os") and found.get("Arch") else None

    def free_bytes(self) -> dict[str, int]:
        """Return the free bytes on the file systems of the project's directory and of the engine's data.

        Raises CommandFailed when those of the project's directory cannot be read.
        """
        root: str = _member(self.host.engine.info(self._deadlines.command), "DockerRootDir", str)
        found = self.files.free_bytes(list(dict.fromkeys((self.directory, root))))
        if self.directory not in found:
            raise CommandFailed(f"the free space of {self.directory} cannot be read", "check project.directory")
        places = {"project": self.directory, "engine": root}
        return {f"{name} ({path})": found[path] for name, path in places.items() if path in found}


def _member(found: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(member := found.get(name), kind):
        raise EngineError(f"the engine's answer has no valid {name}", _IS_IT_ANSWERING)
    return member


def production_host(production: DockerEngine) -> dict[str, str | None]:
    """Return `host` (the engine's machine), `engine` (the variable that chose it), `engine_version`, `compose_version`.

    Each is None when unknown. Raises nothing, because a rollback does not need them.
    """
    try:
        found = production.host.engine.info(_NAME_DEADLINE)
    except RunbookError:
        found = {}
    given = (
        f"{word}={production.host.environment[word]}" for word in _ENGINES if production.host.environment.get(word)
    )
    return {
        "host": _word(found.get("Name")),
        "engine": next(given, None),
        "engine_version": _word(found.get("ServerVersion")),
        "compose_version": production.compose_version or None,
    }


def _word(found: object) -> str | None:
    return " ".join(found.split()) or None if isinstance(found, str) else None
