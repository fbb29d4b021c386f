"""The Compose project: its tags and services, and the commands that bring up, stop and dry-run them."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from runbook.errors import Inconclusive, ProductionError
from runbook.hosts.command import Command, Completed
from runbook.production.compose_files import ComposeFiles
from runbook.production.containers import Container
from runbook.production.coupling import (
    count_in_files,
    may_end_by_file,
    sharing_by_container_name,
    sharing_with,
    waited_for_services,
)
from runbook.production.dry_run import DryRun
from runbook.production.invocation import Invocation
from runbook.release import PROBE, ImageName, Release, TagForm
from runbook.settings.application import ServiceCommand

# A dry run creates a builder's folder. It gets a temporary place, because the user's may not be writable.
_WITH_SCRATCH = """
scratch=$(mktemp --directory) || exit
trap 'rm --recursive --force -- "$scratch"' EXIT
trap 'exit 143' HUP INT TERM
BUILDX_CONFIG=$scratch "$@"
"""


class Production(ComposeFiles):
    """The Compose project on its host: its tags and services, and the `docker compose` commands that change it."""

    def called_by(self, invocation: Invocation) -> "Production":
        """Return the same production with another invocation of Compose."""
        other = Production(self.host, self.project, self._deadlines)
        other.invocation = invocation
        return other

    @cached_property
    def tag_forms(self) -> dict[str, TagForm]:
        """How the image of each service in project.services depends on the tag.

        Raises ProductionError when a service is missing, or when the variable is not exactly its image's tag.
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
        """Return the image that Compose would run for each service in project.services.

        `tag` replaces the env file's. Raises ProductionError as `tag_forms` does.
        """
        forms, services = self.tag_forms, self.services(tag)
        return {name: ImageName.parse(str(services[name].get("image", ""))) for name in forms}

    def tag(self) -> str:
        """Return the tag in the env files.

        Raises ProductionError when the services have no tag in common, or when the tag includes a digest.
        """
        services = self.services()
        images = {name: str(services[name].get("image", "")) for name in self.tag_forms}
        tags = {form.value_in(images[name]) for name, form in self.tag_forms.items()}
        tag = tags.pop()
        if tags or tag is None:
            raise ProductionError(
                f"{self.project.tag_variable} gives {', '.join(sorted(images.values()))}, which have no tag in common",
                "set the tag of all services with one variable of the env file",
            )
        if "@" in tag:
            raise ProductionError(
                f"{self.project.tag_variable} contains a digest after the tag: {tag}",
                f"write only the tag: {self.project.tag_variable}={tag.partition('@')[0]}; the runbook pins the digest",
            )
        return tag

    def running_tag(self, services: Iterable[str]) -> str | None:
        """Return the tag with which the containers of `services` keep their images; None when no image has the tag.

        Raises ProductionError when the containers have different tags, when a tag now names another image, or when an
        image has no tag and is not the one in the Compose file.
        """
        files, probed = self.services(), self.services(PROBE)
        tags, without = set(), []
        for each in self.of_services(services):
            if self.image_id(each.image_name) != each.image_id:
                raise ProductionError(
                    f"{each.name} runs an image to which {each.image_name} no longer refers",
                    "tag that image again, or roll back to a release first",
                )
            before, follows, after = str(probed.get(each.service, {}).get("image", "")).partition(PROBE)
            tag = TagForm(before, after).value_in(each.image_name) if follows else None
            if tag is not None:
                tags.add(tag)
            elif str(files.get(each.service, {}).get("image")) != each.image_name:
                without.append(f"{each.name} runs {each.image_name}, which does not match the Compose file's image")
        if len(tags) > 1 or without:
            raise ProductionError(
                "; ".join(without) or f"{', '.join(services)} run different tags: {', '.join(sorted(tags))}",
                "bring them up on one release first",
            )
        return tags.pop() if tags else None

    def tag_of(self, container: Container) -> str:
        """Return the tag of a container's release, or its image's name when that has no such tag."""
        try:
            found = self.tag_forms[container.service].value_in(container.image_name)
        except (ProductionError, KeyError):
            found = None
        return found or container.image_name

    @cached_property
    def one_shots(self) -> frozenset[str]:
        """The services that run once and end, such as a migration before the start. They are not brought up.

        A service is a one-shot when another service waits for its end, or when its file lets it end and it has exited
        with 0. The second rule does not apply to project.services, which may have been stopped.
        """
        services, containers = self.services(), self.containers()
        may_end = {name for name, service in services.items() if may_end_by_file(service)}
        ended = may_end.intersection(each.service for each in containers).difference(self.project.services)
        ended -= {each.service for each in containers if (each.state, each.exit_code) != ("exited", 0)}
        return waited_for_services(services) | ended

    def ended_services(self, containers: Iterable[Container]) -> list[str]:
        """Return the services of `containers` that may end by their Compose file and have exited with 0."""
        over: dict[str, bool] = {}
        for each in containers:
            over[each.service] = over.get(each.service, True) and (each.state, each.exit_code) == ("exited", 0)
        names = [name for name, is_over in over.items() if is_over]
        services = self.services() if names else {}
        return [name for name in names if may_end_by_file(services[name])]

    def application(self) -> list[Container]:
        """Return the containers to roll back. Raises ProductionError when a service has none."""
        return self.of_services(self.rolled_back)

    @property
    def rolled_back(self) -> tuple[str, ...]:
        """The services to bring up on the target: project.services without `one_shots`.

        Raises ProductionError when there are none: `docker compose up` without a name is for the whole project.
        """
        found = tuple(name for name in self.project.services if name not in self.one_shots)
        if not found:
            raise ProductionError(
                f"all of {', '.join(self.project.services)} run once and end, so there is no service to roll back",
                "list the services that keep running in project.services",
            )
        return found

    def sharing_with(self, services: Iterable[str]) -> dict[str, str]:
        """Return the services with containers that share a namespace or volumes with `services`, and what is shared."""
        changed, containers = set(services), self.containers()
        names = [each.name for each in containers if each.service in changed]
        there = {each.service for each in containers} - self.one_shots
        found = sharing_with(self.services(), changed, names)
        return {name: shared for name, shared in found.items() if name in there}

    def sidecar_images(self, tag: str) -> dict[str, str]:
        """Return the images of services that are recreated with the rolled-back ones and also depend on the tag."""
        hanging = self.sharing_with(self.rolled_back)
        if not hanging:
            return {}
        then, probed = self.services(tag), self.services(PROBE)
        images = {name: str(then[name].get("image", "")) for name in hanging}
        return {name: image for name, image in images.items() if image != str(probed[name].get("image", ""))}

    def pull_command(self, release: Release, sidecars: Iterable[str] = ()) -> Command:
        """Return the command that pulls the images of `release`. It changes no container."""
        names = dict.fromkeys((*self.project.services, *sidecars))
        pull = self.compose("pull", *names, deadline=self._deadlines.pull)
        return replace(self.with_tag(release.tag, pull), streams_progress=True)

    def has_temporary_name(self, services: Iterable[str]) -> bool:
        """Return whether an interrupted `up` left a container of `services` under a temporary name."""
        wanted = set(services)
        return any(container.has_temporary_name for container in self.containers() if container.service in wanted)

    def up_command(self, services: Iterable[str], counts: Mapping[str, int], *, anew: bool = False) -> Command:
        """Return the command that brings `services` up as the env file says, and touches no other service.

        Containers that are already right stay, unless `anew`. A scaled service gets the number of containers in
        `counts`. Nothing is pulled or built: the images were pulled and compared before.
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
        """Return the commands that bring up `services` and the services that share with them.

        `counts` is that of `up_command`. Compose does not see that a service shares a container's namespace by the
        container's name. Such a service is recreated by force.
        """
        names = (*services, *self.sharing_with(services))
        containers = [each.name for each in self.containers() if each.service in names]
        unseen = sharing_by_container_name(self.services(), containers)
        seen = tuple(name for name in names if name not in unseen)
        first = self.up_command(seen, counts, anew=anew)
        return (first, self.up_command(unseen, counts, anew=True)) if unseen else (first,)

    def is_settled(self, services: Iterable[str], ups: Sequence[Command]) -> bool:
        """Return whether `services` and the services that share with them run as `ups` would bring them up."""
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
        """Return what `up` (of `up_command`) would change now, from Compose's dry run. Nothing is changed.

        It runs with --no-start: without it, a dry run would wait for the health of containers that it did not create,
        and cannot put secrets into them. Raises Inconclusive when Compose fails or its output is not understood.
        """
        asking = ("sh", "-c", _WITH_SCRATCH, "sh", *up.argv, "--no-start", "--dry-run")
        return DryRun.parse(self.host.run(replace(up, argv=asking)))

    def pending_changes(self, counts: Mapping[str, int], tag: str | None = None) -> DryRun:
        """Return what bringing up the whole project would change now, with `tag` instead of the env file's.

        If that dry run fails (an image of another service is gone, say), it is repeated for the rolled-back services
        only. Raises Inconclusive when that fails too.
        """
        try:
            return self.dry_run(self.with_tag(tag, self.up_command((), counts)))
        except Inconclusive as refusal:
            ours = self.dry_run(self.with_tag(tag, self.up_command(self.rolled_back, counts)))
            return replace(ours, unknown=refusal.seen)

    def stop_command(self) -> Command:
        """Return the command that stops project.services and keeps their containers."""
        return self.compose("stop", *self.project.services, deadline=self._deadlines.healthy)

    def run_command(  # noqa: PLR0913 - the parts of a run
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
        """Return the command that runs `argv` once in a new container `name` of `service`, from release `tag`.

        The first word of `argv` replaces the entrypoint. `environment` has items `NAME=VALUE`, which must not be
        secrets, because they are in the argv. `alone` removes the network. Fixed addresses of the service are not
        requested, because the service's own container may have them.
        """
        variables = [part for variable in environment for part in ("--env", variable)]
        networks = self.services(tag)[service].get("networks") or {}
        override = _override(service, networks, alone=alone)
        run = self.compose(
            *(("-f", "-") if override else ()),
            "run", "--rm", "--no-deps", "--no-TTY", "--pull", "never", "--name", name, *variables,
            # Compose splits the entrypoint into words as a shell does.
            "--entrypoint", shlex.quote(argv[0]), service, *argv[1:],
            deadline=deadline,
            stdin=override or None,
        )  # fmt: skip
        return replace(self.with_tag(tag, run), if_stopped=("docker", "rm", "--force", name))

    def exec_command(self, call: ServiceCommand) -> Command:
        """Return the command for a command of the settings, in its service's container or on the host."""
        if call.service is None:
            return self.command(*call.command)
        return self.compose("exec", "-T", call.service, *call.command)

    def ask(
        self,
        call: ServiceCommand,
        deadline: float | None = None,
        *,
        secret_output: bool = False,
        most_output: int | None = None,
    ) -> Completed:
        """Run a read-only command of the settings and return its result. In a container, the engine's API runs it.

        If no container of the service runs, Compose is called and reports that.
        """
        limited = partial(replace, secret_output=secret_output, most_output=most_output)
        ours = (each for each in self.containers() if each.service == call.service and each.state == "running")
        chosen = next(ours, None) if call.service else None
        if chosen is None:
            asking = self.exec_command(call)
            return self.host.run(limited(asking, deadline=deadline or asking.deadline))
        command = self.command("docker", "exec", chosen.name, *call.command, deadline=deadline)
        return self.host.run_inside(limited(command), chosen.id, call.command)


def unescaped(value: object) -> str:
    """Undo the doubled `$` in a value of `docker compose config`.

    >>> unescaped("pa$$word")
    'pa$word'
    """
    return str(value).replace("$$", "$")


def _override(service: str, networks: Mapping[str, Any], *, alone: bool) -> bytes:
    # A Compose file that removes the service's network or its fixed addresses.
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
