"""The Compose project on the production host: what runs there, and the commands that would change it."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import NoneType
from typing import Any

from runbook.errors import CommandFailed, EngineError, Inconclusive, ProductionError, RunbookError
from runbook.hosts.command import Command, Completed, parsed_json
from runbook.hosts.local import Host
from runbook.production.containers import Container
from runbook.production.coupling import (
    count_in_files,
    may_run_to_its_end,
    run_to_their_end,
    sharing_by_container_name,
    sharing_with,
)
from runbook.production.dry_run import NOT_SET, DryRun, warnings_in
from runbook.production.invocation import Invocation, as_found, profiles_for
from runbook.release import PROBE, ImageName, Release, TagForm
from runbook.settings.schema import Deadlines, Project, ServiceCommand
from runbook.text import visible


class Production:
    """The Compose project, asked and changed through the `docker` command on its host."""

    def __init__(self, host: Host, project: Project, deadlines: Deadlines) -> None:
        self.host = host
        self.project = project
        self._deadlines = deadlines
        self.directory = str(project.directory)
        self._lost: list[str] = []
        self._warned: list[str] = []

    @cached_property
    def invocation(self) -> Invocation:
        """How Compose is called here, found out once, from the settings and the labels of the containers."""
        containers = self.containers()
        found = self._without_lost(as_found(self.project, containers))
        names = {each.service for each in containers}
        try:
            missing = sorted(names - self._read(found)["services"].keys())
            # Compose knows the services of a profile only when it is asked for; no label names the profile.
            every = self._read(replace(found, profiles=("*",)))["services"] if missing else {}
        except ProductionError:  # whoever needs the files says so, and why
            return found
        # All of them: those that are asked for take the place of COMPOSE_PROFILES in the env file.
        return replace(found, profiles=profiles_for(every, sorted(names)) if missing else ())

    def _without_lost(self, found: Invocation) -> Invocation:
        """The same without the files that only labels name and that are not there any more, if some are left."""
        if self.project.compose_files:
            return found
        there = [path for path in found.files if self.host.run(self.command("test", "-e", path)).exit_code == 0]
        if not there:  # Compose itself says then what it misses
            return found
        self._lost = [path for path in found.files if path not in there]
        return replace(found, files=tuple(there))

    def remarks(self) -> list[str]:
        """What is to be told of the files by which Compose is called: those that are lost, and what it warned of.

        Without variables that are not set, which are held against the files where these are looked at. It is what the
        newest reading of the files gave: nothing is asked once more.
        """
        lost = [
            f"{path}, which the containers were made from, is not there any more, and Compose is called without it"
            for path in self._lost
        ]
        warned = [f"Compose warns: {warning}" for warning in self._warned if NOT_SET not in warning]
        return [visible(" ".join(remark.split())) for remark in (*lost, *warned)]

    def compose_with_env_file(self, env_file: str, *, alone: bool = False) -> tuple[str, ...]:
        """The beginning of a `docker compose` command that reads `env_file` in the place of the settings' own.

        The other env files of production are read with it, in their order, unless it is to be read `alone`.
        """
        own = self.project.env_file
        paths = (env_file,) if alone else (env_file if path == own else path for path in self.invocation.env_files)
        env_files = [part for path in paths for part in ("--env-file", path)]
        return ("docker", "compose", "-p", self.project.name, "--project-directory", self.directory, *env_files)

    def command(self, *argv: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """A command in the project's directory; `deadline` is in seconds."""
        return Command(argv, deadline or self._deadlines.command, self.directory, stdin)

    def compose(self, *arguments: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """A `docker compose` command on this project; `deadline` is in seconds."""
        return self.command(*self.invocation.argv(self.project), *arguments, deadline=deadline, stdin=stdin)

    def containers(self) -> list[Container]:
        """Every container of the project's services, running or not, by name. One-off containers are left out."""
        return self.host.retry(self._containers_now)

    def _containers_now(self) -> list[Container]:
        label = f"label=com.docker.compose.project={self.project.name}"
        services = "label=com.docker.compose.oneoff=False"
        listed = self.host.check(
            self.command("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label, "--filter", services)
        )
        ids = listed.text.split()
        if not ids:
            return []
        # Between the two commands a container may go; what is left is still the truth.
        inspecting = Command(
            ("docker", "inspect", "--type", "container", *ids), self._deadlines.command, secret_output=True
        )
        return sorted(_containers(self.host.run(inspecting)), key=lambda container: container.name)

    def running(self) -> list[Container]:
        """The project's containers. Raises ProductionError when the project isn't up where the settings say."""
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

    def with_tag(self, tag: str | None, command: Command) -> Command:
        """The same command, with `tag` in the place of the env file's; None leaves the env file's."""
        prefix = ("env", f"{self.project.tag_variable}={tag}") if tag else ()
        return replace(command, argv=(*prefix, *command.argv))

    def services(self, tag: str | None = None) -> dict[str, dict[str, Any]]:
        """Every service of `config`."""
        services: dict[str, dict[str, Any]] = self.config(tag)["services"]
        return services

    def config(self, tag: str | None = None) -> dict[str, Any]:
        """The whole project as Compose itself reads the files, with `tag` in the env file's place.

        Overrides, defaults and anchors count, as Compose is asked; `$` is doubled, for Compose to read it again;
        `unescaped` undoes that. Raises ProductionError when it cannot read them.
        """
        return self._read(self.invocation, tag)

    def warnings(self) -> list[str]:
        """What Compose warns of when it reads the files: a variable that is not set, say."""
        return self.host.ask(self._config(self.invocation), warnings_in)

    def _read(self, invocation: Invocation, tag: str | None = None) -> dict[str, Any]:
        command = self._config(invocation, tag)

        def read(answer: Completed) -> dict[str, Any]:
            if answer.exit_code != 0:
                raise ProductionError(
                    f"Compose cannot read the project in {self.directory}: {answer.last_line}",
                    f"run `{command}` there and mend what it says",
                )
            config: dict[str, Any] = parsed_json(answer, dict)
            if tag is None:
                self._warned = warnings_in(answer)
            if not isinstance(config.get("services"), dict):
                raise EngineError(f"`{command}` names no services", "is Compose answering? `docker compose version`")
            return config

        return self.host.ask(command, read)

    def _config(self, invocation: Invocation, tag: str | None = None) -> Command:
        command = self.command(*invocation.argv(self.project), "config", "--format", "json")
        return replace(self.with_tag(tag, command), secret_output=True)

    @cached_property
    def tag_forms(self) -> dict[str, TagForm]:
        """How the image of each rolled-back service is made from the tag.

        Raises ProductionError when a service is not there, or its image is not made so that a tag decides it.
        """
        services, variable = self.services(PROBE), self.project.tag_variable
        unknown = set(self.project.services) - set(services)
        if unknown:
            raise ProductionError(
                f"the Compose file has no service {', '.join(sorted(unknown))} (it has {', '.join(sorted(services))})",
                "check project.services in the settings",
            )
        images = {name: str(services[name].get("image", "")) for name in self.project.services}
        return {name: TagForm.learned(name, variable, image) for name, image in images.items()}

    def images_with_tag(self, tag: str | None = None) -> dict[str, ImageName]:
        """The image that Compose would run for each service, with `tag` in the env file's place.

        Raises ProductionError when a service's image is not decided by the tag, or by the tag alone.
        """
        forms, services = self.tag_forms, self.services(tag)
        return {name: ImageName.parse(str(services[name].get("image", ""))) for name in forms}

    def tag(self) -> str:
        """The tag that Compose finds in the env files. Raises ProductionError when it isn't one for all services."""
        services = self.services()
        images = {name: str(services[name].get("image", "")) for name in self.tag_forms}
        tags = {form.value_in(images[name]) for name, form in self.tag_forms.items()}
        tag = tags.pop()
        if tags or tag is None:
            raise ProductionError(
                f"{self.project.tag_variable} gives {', '.join(sorted(images.values()))}, and no tag in common",
                "let one variable of the env file name the release",
            )
        if "@" in tag:
            raise ProductionError(
                f"{self.project.tag_variable} holds a digest beside the tag: {tag}",
                f"write the tag alone: {self.project.tag_variable}={tag.partition('@')[0]}; the runbook pins the"
                " digest by itself",
            )
        return tag

    def running_tag(self, services: Iterable[str]) -> str | None:
        """What the tag variable must hold for the containers of `services` to stay on their images.

        None where none of them follows the variable. Raises ProductionError when containers differ, or when a tag was
        moved since.
        """
        files, probed = self.services(), self.services(PROBE)
        tags, without = set(), []
        for each in self.of_services(services):
            if self.image_id(each.image_name) != each.image_id:
                raise ProductionError(
                    f"{each.name} runs an image that {each.image_name} does not stand for any more",
                    "tag that image again, or roll back to a release first",
                )
            before, follows, after = str(probed.get(each.service, {}).get("image", "")).partition(PROBE)
            tag = TagForm(before, after).value_in(each.image_name) if follows else None
            if tag is not None:
                tags.add(tag)
            elif str(files.get(each.service, {}).get("image")) != each.image_name:
                without.append(f"{each.name} runs {each.image_name}, which the Compose file gives with no tag")
        if len(tags) > 1 or without:
            raise ProductionError(
                "; ".join(without) or f"{', '.join(services)} run different tags: {', '.join(sorted(tags))}",
                "bring them to one release first",
            )
        return tags.pop() if tags else None

    def tag_of(self, container: Container) -> str:
        """The tag by which a container's release is known; its image's name where it follows no tag."""
        try:
            found = self.tag_forms[container.service].value_in(container.image_name)
        except (ProductionError, KeyError):
            found = None
        return found or container.image_name

    def image_id(self, reference: str) -> str | None:
        """The id under which the host holds the image `reference`, or None when it does not."""
        asking = self.command("docker", "image", "inspect", "--format", "{{json .Id}}", reference)
        return self.host.ask(asking, lambda answer: parsed_json(answer, str) if _is_held(answer) else None)

    def digests_of(self, reference: str) -> list[str]:
        """The registry digests, `name@sha256:…`, by which the host knows an image; empty when it does not."""
        asking = self.command("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", reference)

        def read(answer: Completed) -> list[str]:
            # An image without any is told as null.
            return list(map(str, parsed_json(answer, (list, NoneType)) or [])) if _is_held(answer) else []

        return self.host.ask(asking, read)

    @cached_property
    def one_shots(self) -> frozenset[str]:
        """The services that run to their end, as a migration before the start does: they are left as they are.

        Those for whose end another service waits; and, but for the services of the settings, those that may end by
        their files, and have: the application may have been stopped, or have died, with 0 as well.
        """
        services, containers = self.services(), self.containers()
        may_end = {name for name, service in services.items() if may_run_to_its_end(service)}
        ended = may_end.intersection(each.service for each in containers).difference(self.project.services)
        ended -= {each.service for each in containers if (each.state, each.exit_code) != ("exited", 0)}
        return run_to_their_end(services) | ended

    def ended_services(self, containers: Iterable[Container]) -> list[str]:
        """The services of `containers` that may end by their files, and have: they ran to an end, or were stopped."""
        over: dict[str, bool] = {}
        for each in containers:
            over[each.service] = over.get(each.service, True) and (each.state, each.exit_code) == ("exited", 0)
        names = [name for name, is_over in over.items() if is_over]
        services = self.services() if names else {}
        return [name for name in names if may_run_to_its_end(services[name])]

    def application(self) -> list[Container]:
        """The containers that are rolled back. Raises ProductionError when a service has none."""
        return self.of_services(self.rolled_back)

    @property
    def rolled_back(self) -> tuple[str, ...]:
        """The services that are brought up on the target: those of the settings, but for what runs to its end.

        Raises ProductionError when nothing is left: `docker compose up` without a name is for the whole project.
        """
        found = tuple(name for name in self.project.services if name not in self.one_shots)
        if not found:
            raise ProductionError(
                f"each of {', '.join(self.project.services)} runs to its end, and none is left to be rolled back",
                "name the services that go on running in project.services",
            )
        return found

    def sharing_with(self, services: Iterable[str]) -> dict[str, str]:
        """The services with a container that share a namespace or volumes with one of `services`, and what."""
        changed, containers = set(services), self.containers()
        names = [each.name for each in containers if each.service in changed]
        there = {each.service for each in containers} - self.one_shots
        found = sharing_with(self.services(), changed, names)
        return {name: shared for name, shared in found.items() if name in there}

    def sidecar_images(self, tag: str) -> dict[str, str]:
        """Of the services that are recreated with the rolled-back ones, those that follow the tag, and their images."""
        hanging = self.sharing_with(self.rolled_back)
        if not hanging:
            return {}
        then, probed = self.services(tag), self.services(PROBE)
        images = {name: str(then[name].get("image", "")) for name in hanging}
        return {name: image for name, image in images.items() if image != str(probed[name].get("image", ""))}

    def pull_command(self, release: Release, sidecars: Iterable[str] = ()) -> Command:
        """The command that fetches the images of `release`; nothing that runs changes by it."""
        names = dict.fromkeys((*self.project.services, *sidecars))
        pull = self.compose("pull", *names, deadline=self._deadlines.pull)
        return replace(self.with_tag(release.tag, pull), streams_progress=True)

    def has_temporary_name(self, services: Iterable[str]) -> bool:
        """Tell whether an `up` that was cut short has left a container of `services` under a name not its own."""
        wanted = set(services)
        return any(container.has_temporary_name for container in self.containers() if container.service in wanted)

    def up_command(self, services: Iterable[str], counts: Mapping[str, int], *, anew: bool = False) -> Command:
        """The command that brings `services` to what the env file says, and touches no other service.

        Those that are there already stay, but for `anew`; of a scaled service as many as `counts` says. Nothing is
        pulled or built at this point: the images were fetched, and compared, before.
        """
        how = ("--force-recreate",) if anew else ()
        names = tuple(services)
        scale = self._scale({name: counts[name] for name in names or counts if name in counts})
        return self.compose(
            "up", "-d", "--no-deps", "--no-build", "--pull", "never", *how, *scale, *names, deadline=self._deadlines.up
        )

    def switch_commands(
        self, services: Iterable[str], counts: Mapping[str, int], *, anew: bool = False
    ) -> tuple[Command, ...]:
        """The commands that bring up `services`, and with them what hangs on them; `counts` as for `up_command`.

        Compose does not see who shares the namespace of a container by its name: such a one is made anew by force.
        """
        names = (*services, *self.sharing_with(services))
        containers = [each.name for each in self.containers() if each.service in names]
        unseen = sharing_by_container_name(self.services(), containers)
        seen = tuple(name for name in names if name not in unseen)
        first = self.up_command(seen, counts, anew=anew)
        return (first, self.up_command(unseen, counts, anew=True)) if unseen else (first,)

    def is_settled(self, services: Iterable[str], ups: Sequence[Command]) -> bool:
        """Tell whether `services`, and what hangs on them, run as `ups`, from `switching`, would bring them up."""
        wanted, containers = {*services, *self.sharing_with(services)}, self.containers()
        ids = {each.id for each in containers}
        ours = [each for each in containers if each.service in wanted]
        calm = all(each.state == "running" and ids.issuperset(each.joined) for each in ours)
        return calm and not self.dry_run(ups[0]).differences

    def _scale(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        services = self.services() if counts else {}
        other = {
            name: number
            for name, number in sorted(counts.items())
            if name in services and number != count_in_files(services[name])
        }
        return tuple(part for name, number in other.items() for part in ("--scale", f"{name}={number}"))

    def dry_run(self, up: Command) -> DryRun:
        """What `up`, a command of `up_command`, would change now, as Compose itself says; nothing is changed.

        Its start is left out: a dry run waits for the health of containers that it did not make, and cannot put
        secrets into them. Raises Inconclusive when Compose does not say it, or not so that it is understood.
        """
        making = self.host.check(self.command("mktemp", "--directory"))
        scratch = making.text.strip()
        removing = ("rm", "--recursive", "--force", "--", scratch)
        # A dry run makes a builder's folder, which must not stay, and cannot where the user's own may not be written.
        asking = ("env", f"BUILDX_CONFIG={scratch}", *up.argv, "--no-start", "--dry-run")
        try:
            return DryRun.parse(self.host.run(replace(up, argv=asking)))
        finally:
            self.host.run(self.command(*removing))

    def pending_changes(self, counts: Mapping[str, int], tag: str | None = None) -> DryRun:
        """What bringing up the whole project would change now; with `tag`, if the env file named that release.

        Where Compose refuses that, because an image of another service is gone, say, only the rolled-back services are
        asked for. Raises Inconclusive when Compose refuses those too.
        """
        try:
            return self.dry_run(self.with_tag(tag, self.up_command((), counts)))
        except Inconclusive as refusal:
            ours = self.dry_run(self.with_tag(tag, self.up_command(self.rolled_back, counts)))
            return replace(ours, unknown=refusal.seen)

    def stop_command(self) -> Command:
        """The command that stops the rolled-back services and leaves their containers."""
        return self.compose("stop", *self.project.services, deadline=self._deadlines.healthy)

    def run_command(  # noqa: PLR0913 - what runs where, under which name, and by when
        self,
        tag: str | None,
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
        return replace(self.with_tag(tag, run), if_stopped=("docker", "rm", "--force", name))

    def exec_command(self, call: ServiceCommand) -> Command:
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
                    f"the free space of {path} cannot be read: {answer.last_line}", "check project.directory"
                )
        return free


def unescaped(value: object) -> str:
    """A value of `docker compose config`, which writes each `$` twice for Compose to read it again, as it is."""
    return str(value).replace("$$", "$")


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


def _containers(inspected: Completed) -> list[Container]:
    """What `docker inspect` printed. Raises EngineError when that is no list of containers."""
    try:
        return [Container.parse(item) for item in parsed_json(inspected, list)]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EngineError(
            f"`{inspected.command}` printed something else than containers", "is the engine answering? `docker version`"
        ) from None


def _is_held(answer: Completed) -> bool:
    """Tell whether the host holds the image that was asked for. Raises EngineError when the engine says neither."""
    if answer.exit_code != 0 and "no such image" not in answer.stderr.decode("utf-8", errors="replace").lower():
        raise EngineError(
            f"`{answer.command}` ended with exit code {answer.exit_code}: {answer.last_line}",
            "is the engine answering? Look at it with `docker version`",
        )
    return answer.exit_code == 0


_DEADLINE = 10.0  # seconds, for the engine to say its name


_ENGINES = ("DOCKER_HOST", "DOCKER_CONTEXT")


def production_host(production: Production) -> dict[str, str | None]:
    """The name of the machine whose engine is used (`host`), and the variable that led there (`engine`); or None each.

    Besides `engine_version` and `compose_version`. Raises nothing: a production whose host does not say its name can be
    rolled back all the same.
    """
    name, _, version = _answer(production, "docker", "info", "--format", "{{.Name}} {{.ServerVersion}}").partition(" ")
    # In docker's own order; without either it is the engine of this machine.
    given = (
        f"{word}={production.host.environment[word]}" for word in _ENGINES if production.host.environment.get(word)
    )
    return {
        "host": name or None,
        "engine": next(given, None),
        "engine_version": version or None,
        "compose_version": _answer(production, "docker", "compose", "version", "--short") or None,
    }


def _answer(production: Production, *argv: str) -> str:
    """What a command says on one line; empty if it does not say it in time."""
    try:
        answer = production.host.run(production.command(*argv, deadline=_DEADLINE))
    except RunbookError:
        return ""
    return " ".join(answer.text.split()) if answer.exit_code == 0 else ""


FOLDER = ".runbook"
