"""The Docker engine on the production host: the project's containers, images, and free disk space."""

from collections.abc import Iterable
from types import NoneType
from typing import Any

from runbook.errors import CommandFailed, EngineError, ProductionError, RunbookError
from runbook.hosts.command import Command, Completed, parsed_json
from runbook.hosts.local import Host
from runbook.production.containers import Container
from runbook.settings.schema import Deadlines, Project

#: The runbook's own folder in the project's directory on the host.
FOLDER = ".runbook"
_NOT_ONE_OFF = "label=com.docker.compose.oneoff=False"
_NAME_DEADLINE = 10.0  # seconds, for the engine to say its name
_ENGINES = ("DOCKER_HOST", "DOCKER_CONTEXT")  # in docker's own order
_IS_IT_ANSWERING = "check that the engine answers: `docker version`"


class DockerEngine:
    """The engine, asked through the `docker` command on its host, for one Compose project."""

    def __init__(self, host: Host, project: Project, deadlines: Deadlines) -> None:
        self.host = host
        self.project = project
        self.directory = str(project.directory)
        self._deadlines = deadlines

    def command(self, *argv: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """Return a command in the project's directory; `deadline` is in seconds."""
        return Command(argv, deadline or self._deadlines.command, self.directory, stdin)

    def inspect_containers(self, *filters: str) -> list[Any]:
        """Return `docker inspect` of the project's containers, running or not; its output is not recorded."""
        labels = (f"label=com.docker.compose.project={self.project.name}", *filters)
        options = [part for label in labels for part in ("--filter", label)]
        ids = self.host.check(self.command("docker", "ps", "--all", "--quiet", "--no-trunc", *options)).text.split()
        if not ids:
            return []
        # A container may go between the two commands: the exit code does not count.
        argv = ("docker", "inspect", "--type", "container", *ids)
        inspected = self.host.run(Command(argv, self._deadlines.command, secret_output=True))
        found: list[Any] = parsed_json(inspected, list)
        return found

    def containers(self) -> list[Container]:
        """Return every container of the project's services, running or not, sorted by name, without one-off ones."""

        def now() -> list[Container]:
            try:
                found = [Container.parse(each) for each in self.inspect_containers(_NOT_ONE_OFF)]
            except (KeyError, TypeError, ValueError, AttributeError):
                raise EngineError("`docker inspect` printed something else than containers", _IS_IT_ANSWERING) from None
            return sorted(found, key=lambda container: container.name)

        return self.host.retry(now)

    def running(self) -> list[Container]:
        """Return the project's containers. Raises ProductionError when it does not run from where the settings say."""
        containers = self.containers()
        if not any(container.state in ("running", "restarting") for container in containers):
            others = ", ".join(self.projects_on_host()) or "none"
            raise ProductionError(
                f"the Compose project {self.project.name} is not running on this host (projects that are: {others})",
                "check project.name and host in the settings, or bring the project up first",
            )
        strangers = {container.directory for container in containers} - {self.directory, ""}
        if strangers:
            raise ProductionError(
                f"the project {self.project.name} was brought up from {', '.join(sorted(strangers))},"
                f" and the settings say {self.directory}",
                "set project.directory to the folder that production is really run from",
            )
        return containers

    def of_services(self, services: Iterable[str]) -> list[Container]:
        """Return the containers of `services`. Raises ProductionError when one of them has none."""
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
        listed = self.host.check(self.command("docker", "ps", "--format", '{{.Label "com.docker.compose.project"}}'))
        return sorted({name for name in listed.text.split() if name})

    def image_id(self, reference: str) -> str | None:
        """Return the id of the image `reference` on the host, None when it is not there."""
        asking = self.command("docker", "image", "inspect", "--format", "{{json .Id}}", reference)
        return self.host.ask(asking, lambda answer: parsed_json(answer, str) if _is_held(answer) else None)

    def digests_of(self, reference: str) -> list[str]:
        """Return the registry digests (`name@sha256:…`) of an image on the host; empty when it has none."""
        asking = self.command("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", reference)
        kinds = (list, NoneType)  # null when it has none
        found = self.host.ask(asking, lambda answer: parsed_json(answer, kinds) if _is_held(answer) else None)
        return list(map(str, found or []))

    def free_bytes(self) -> dict[str, int]:
        """Return the free bytes where the project lies and where the engine keeps its images."""
        root = self.host.check(self.command("docker", "info", "--format", "{{.DockerRootDir}}")).text.strip()
        places = {"project": self.directory, "engine": root}
        free = {}
        for name, path in places.items():
            answer = self.host.run(self.command("df", "--output=avail", "-B1", "--", path))
            lines = answer.text.split()
            if answer.exit_code == 0 and lines and lines[-1].isdigit():
                free[f"{name} ({path})"] = int(lines[-1])
            elif name == "project":
                raise CommandFailed(
                    f"the free space of {path} cannot be read: {answer.last_line}", "check project.directory"
                )
        return free


def _is_held(answer: Completed) -> bool:
    if answer.exit_code != 0 and "no such image" not in answer.errors.lower():
        raise EngineError(
            f"`{answer.command}` ended with exit code {answer.exit_code}: {answer.last_line}", _IS_IT_ANSWERING
        )
    return answer.exit_code == 0


def production_host(production: DockerEngine) -> dict[str, str | None]:
    """Return `host` (the engine's machine), `engine` (the variable that chose it), `engine_version`, `compose_version`.

    Each is None when it is not known; nothing is raised, because a rollback does not need them.
    """
    name, _, version = _output_line(production, "docker", "info", "--format", "{{.Name}} {{.ServerVersion}}").partition(
        " "
    )
    given = (
        f"{word}={production.host.environment[word]}" for word in _ENGINES if production.host.environment.get(word)
    )
    return {
        "host": name or None,
        "engine": next(given, None),
        "engine_version": version or None,
        "compose_version": _output_line(production, "docker", "compose", "version", "--short") or None,
    }


def _output_line(production: DockerEngine, *argv: str) -> str:
    try:
        answer = production.host.run(production.command(*argv, deadline=_NAME_DEADLINE))
    except RunbookError:
        return ""
    return " ".join(answer.text.split()) if answer.exit_code == 0 else ""
