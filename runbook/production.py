"""The Compose project on the production host: what runs there, and the commands that would change it."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from runbook.containers import Container
from runbook.errors import CommandFailed, ProductionError
from runbook.host import Command, Completed, Host
from runbook.release import ImageName, Release
from runbook.settings import Deadlines, Project, ServiceCommand


class Production:
    """The Compose project, asked and changed through the `docker` command on its host."""

    def __init__(self, host: Host, project: Project, deadlines: Deadlines) -> None:
        self.host = host
        self.project = project
        self._deadlines = deadlines
        self.directory = str(project.directory)

    @cached_property
    def _compose(self) -> tuple[str, ...]:
        files = [part for file in self.project.compose_files for part in ("-f", file)]
        return ("docker", "compose", "-p", self.project.name, "--env-file", self.project.env_file, *files)

    def command(self, *argv: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """A command in the project's directory; `deadline` is in seconds."""
        return Command(argv, deadline or self._deadlines.command, self.directory, stdin)

    def compose(self, *arguments: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """A `docker compose` command on this project; `deadline` is in seconds."""
        return self.command(*self._compose, *arguments, deadline=deadline, stdin=stdin)

    def containers(self) -> list[Container]:
        """Every container of the project's services, running or not, by name. One-off containers are left out."""
        label = f"label=com.docker.compose.project={self.project.name}"
        services = "label=com.docker.compose.oneoff=False"
        listed = self.host.check(
            self.command("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label, "--filter", services)
        )
        ids = listed.text.split()
        if not ids:
            return []
        # Between the two commands a container may go; what is left is still the truth.
        inspected = self.host.run(
            Command(
                ("docker", "inspect", "--type", "container", *ids),
                self._deadlines.command,
                secret_output=True,
            )
        )
        found = [Container.parse(item) for item in _json_list(inspected)]
        return sorted(found, key=lambda container: container.name)

    def running(self) -> list[Container]:
        """The project's containers. Raises ProductionError when the project isn't up where the settings say."""
        containers = self.containers()
        if not any(container.state in ("running", "restarting") for container in containers):
            others = ", ".join(self.projects_on_host()) or "none"
            raise ProductionError(
                f"the Compose project {self.project.name} is not running on this host (projects that are: {others})",
                "check project.name and host in the settings, or bring the project up first",
            )
        strangers = {container.directory for container in containers} - {self.directory}
        if strangers:
            raise ProductionError(
                f"the project {self.project.name} was brought up from {', '.join(sorted(strangers))},"
                f" and the settings say {self.directory}",
                "set project.directory to the folder that production is really run from",
            )
        return containers

    def of_services(self, services: Iterable[str]) -> list[Container]:
        """The containers of `services`. Raises ProductionError when one of them has none."""
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
        """The Compose projects with a running container on this host."""
        listed = self.host.check(self.command("docker", "ps", "--format", '{{.Label "com.docker.compose.project"}}'))
        return sorted({name for name in listed.text.split() if name})

    def as_release(self, tag: str | None, command: Command) -> Command:
        """The same command, with `tag` in the place of the env file's; None leaves the env file's."""
        prefix = ("env", f"{self.project.tag_variable}={tag}") if tag else ()
        return replace(command, argv=(*prefix, *command.argv))

    def services(self, tag: str | None = None) -> dict[str, dict[str, Any]]:
        """Every service of `config`."""
        services: dict[str, dict[str, Any]] = self.config(tag)["services"]
        return services

    def config(self, tag: str | None = None) -> dict[str, Any]:
        """The whole project as Compose itself reads the files, with `tag` in the env file's place.

        Overrides, defaults and anchors count, as Compose is asked; `$` is doubled, for Compose to read it again.
        Raises ProductionError when it cannot read them.
        """
        command = self.compose("config", "--format", "json")
        answer = self.host.run(replace(self.as_release(tag, command), secret_output=True))
        if answer.exit_code != 0:
            raise ProductionError(
                f"Compose cannot read the project in {self.directory}: {answer.last_words}",
                f"run `{command}` there and mend what it says",
            )
        config: dict[str, Any] = json.loads(answer.text)
        return config

    def images_with_tag(self, tag: str | None = None) -> dict[str, ImageName]:
        """The image that Compose would run for each service, with `tag` in the env file's place.

        Raises ProductionError when a service's image does not depend on the tag.
        """
        services = self.services(tag)
        unknown = set(self.project.services) - set(services)
        if unknown:
            raise ProductionError(
                f"the Compose file has no service {', '.join(sorted(unknown))} (it has {', '.join(sorted(services))})",
                "check project.services in the settings",
            )
        images = {name: ImageName.parse(str(services[name].get("image", ""))) for name in self.project.services}
        loose = sorted(name for name, image in images.items() if tag and image.tag != tag)
        if loose:
            raise ProductionError(
                f"the image of {', '.join(loose)} does not follow {self.project.tag_variable}:"
                f" it stays {images[loose[0]]} whatever the tag",
                f"let the Compose file say image: NAME:${{{self.project.tag_variable}}}",
            )
        return images

    def running_tag(self, services: Iterable[str]) -> str:
        """The one tag that the containers of `services` were made from, and that stands for their images still.

        Raises ProductionError when there are several, or when the tag was moved since.
        """
        tags = set()
        for container in self.of_services(services):
            image = ImageName.parse(container.image_name)
            if self.image_id(str(image)) != container.image_id:
                raise ProductionError(
                    f"{container.name} runs an image that {image} does not stand for any more",
                    "tag that image again, or roll back to a release first",
                )
            tags.add(image.tag)
        if len(tags) != 1:
            raise ProductionError(
                f"{', '.join(services)} run different tags: {', '.join(sorted(tags))}",
                "bring them to one release first",
            )
        return tags.pop()

    def config_hashes(self, tag: str | None = None) -> dict[str, str]:
        """The hash of each service as the files have it now; a container carries the hash that it was made with.

        With `tag`, as if the env file named that release.
        """
        answer = self.host.check(self.as_release(tag, self.compose("config", "--hash", "*")))
        pairs = (line.split() for line in answer.text.splitlines())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    def image_id(self, reference: str) -> str | None:
        """The id under which the host holds the image `reference`, or None when it does not."""
        answer = self.host.run(self.command("docker", "image", "inspect", "--format", "{{json .Id}}", reference))
        return str(json.loads(answer.text)) if answer.exit_code == 0 else None

    def digests_of(self, reference: str) -> list[str]:
        """The registry digests, `name@sha256:…`, by which the host knows an image; empty when it does not."""
        answer = self.host.run(
            self.command("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", reference)
        )
        return [str(digest) for digest in json.loads(answer.text) or []] if answer.exit_code == 0 else []

    def pulling(self, release: Release) -> Command:
        """The command that fetches the images of `release`; nothing that runs changes by it."""
        pull = self.compose("pull", *self.project.services, deadline=self._deadlines.pull)
        return replace(self.as_release(release.tag, pull), talks=True)

    def half_replaced(self, services: Iterable[str]) -> bool:
        """Tell whether an `up` that was cut short has left a container of `services` under a name not its own."""
        wanted = set(services)
        return any(container.half_replaced for container in self.containers() if container.service in wanted)

    def bringing_up(self, services: Iterable[str], *, anew: bool = False) -> Command:
        """The command that brings `services` to what the env file says, and touches no other service.

        Those that are there already stay, but for `anew`. Nothing is pulled or built at this point: the images were
        fetched, and compared, before.
        """
        how = ("--force-recreate",) if anew else ()
        return self.compose(
            "up", "-d", "--no-deps", "--no-build", "--pull", "never", *how, *services, deadline=self._deadlines.up
        )

    def stopping(self) -> Command:
        """The command that stops the rolled-back services and leaves their containers."""
        return self.compose("stop", *self.project.services, deadline=self._deadlines.healthy)

    def once(  # noqa: PLR0913 - what runs where, under which name, and by when
        self,
        tag: str,
        service: str,
        name: str,
        argv: Sequence[str],
        *,
        environment: Iterable[str],
        deadline: float,
        alone: bool = False,
    ) -> Command:
        """The command that runs `argv` once in a new container of `service`, from release `tag`, and removes it.

        The first word of `argv` is the container's entrypoint, whatever image and Compose file say. `name` is the
        container's name; `environment` holds `NAME=VALUE`, no secrets, since they stand in the argv. `alone` takes the
        network away. A fixed address of the service is not asked for: its own container may have it.
        """
        variables = [part for variable in environment for part in ("--env", variable)]
        networks = self.services(tag)[service].get("networks") or {}
        override = _override(service, networks, alone=alone)
        run = self.compose(
            *(("-f", "-") if override else ()),
            "run", "--rm", "--no-deps", "--no-TTY", "--pull", "never", "--name", name, *variables,
            # Compose splits the entrypoint into words as a shell would.
            "--entrypoint", shlex.quote(argv[0]), service, *argv[1:],
            deadline=deadline,
            stdin=override or None,
        )  # fmt: skip
        return replace(self.as_release(tag, run), if_stopped=("docker", "rm", "--force", name))

    def inside(self, call: ServiceCommand) -> Command:
        """The settings' command, in its service's container or on the host."""
        if call.service is None:
            return self.command(*call.command)
        return self.compose("exec", "-T", call.service, *call.command)

    def free_bytes(self) -> dict[str, int]:
        """Free space, in bytes, where the project lies and where the engine keeps its images."""
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
                    f"the free space of {path} cannot be read: {answer.last_words}", "check project.directory"
                )
        return free


def _override(service: str, networks: Mapping[str, Any], *, alone: bool) -> bytes:
    """A Compose file that takes the service's network, or its fixed addresses, away; empty where there is nothing."""
    fixed = {
        name: [key for key in ("ipv4_address", "ipv6_address", "mac_address") if (given or {}).get(key)]
        for name, given in networks.items()
    }
    changes = ", ".join(
        f"{json.dumps(name)}: {{{', '.join(f'{key}: !reset null' for key in keys)}}}"
        for name, keys in fixed.items()
        if keys
    )
    if alone:
        inner = "networks: !reset null, network_mode: none"
    elif changes:
        inner = f"networks: {{{changes}}}"
    else:
        return b""
    return f"services: {{{json.dumps(service)}: {{{inner}}}}}\n".encode()


def _json_list(completed: Completed) -> list[dict[str, Any]]:
    try:
        found = json.loads(completed.text)
    except ValueError:
        raise CommandFailed(
            f"`{completed.command}` printed no JSON: {completed.last_words}", "is the engine answering?"
        ) from None
    return list(found)
