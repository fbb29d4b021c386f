"""The Compose project's files: how Compose is called with them, what it reads from them, and their warnings."""

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from runbook.errors import EngineError, ProductionError
from runbook.hosts.command import Command, Completed, parsed_json
from runbook.hosts.host import Host
from runbook.production.docker_engine import DockerEngine
from runbook.production.dry_run import NOT_SET, warnings_in
from runbook.production.invocation import Invocation, absolute_path, from_labels, profiles_for
from runbook.settings.schema import Deadlines, Project
from runbook.text import visible

# Keys of a Compose file that refer to other files, and escapes, which can spell any key.
_NAMES_OTHERS = re.compile(rb"include|extends|env_file|label_file|\\[ux]", re.IGNORECASE)


class ComposeFiles(DockerEngine):
    """The Compose project as its files describe it, read through `docker compose config`."""

    def __init__(self, host: Host, project: Project, deadlines: Deadlines) -> None:
        super().__init__(host, project, deadlines)
        self._lost: list[str] = []
        self._warned: list[str] = []

    @cached_property
    def invocation(self) -> Invocation:
        """The options of every Compose call, from the settings and the containers' labels, read once."""
        containers = self.containers()
        found = self._without_lost(from_labels(self.project, containers))
        names = {each.service for each in containers}
        try:
            missing = sorted(names - self._read(found)["services"].keys())
            # Compose lists a profile's services only when the profile is active, and no label names the profile.
            every = self._read(replace(found, profiles=("*",)))["services"] if missing else {}
        except ProductionError:  # reported by the first call that needs the files
            return found
        # The profiles of all services, because `--profile` replaces COMPOSE_PROFILES of the env file.
        return replace(found, profiles=profiles_for(every, sorted(names)) if missing else ())

    def _without_lost(self, found: Invocation) -> Invocation:
        # Leaves out files that only labels name and that no longer exist.
        if self.project.compose_files:
            return found
        there = self.existing(found.files)
        if not there:  # Compose itself reports the missing files
            return found
        self._lost = [path for path in found.files if path not in there]
        return replace(found, files=tuple(there))

    def remarks(self) -> list[str]:
        """Return remarks on the Compose files: the lost ones, and Compose's warnings when it last read them.

        Warnings about unset variables are left out, because the check of the files covers them.
        """
        lost = [
            f"{path}, from which the containers were created, no longer exists; Compose is called without it"
            for path in self._lost
        ]
        warned = [f"Compose warns: {warning}" for warning in self._warned if NOT_SET not in warning]
        return [visible(" ".join(remark.split())) for remark in (*lost, *warned)]

    def compose_with_env_file(self, env_file: str, *, alone: bool = False) -> tuple[str, ...]:
        """Return the start of a `docker compose` command that reads `env_file` instead of the settings' env file.

        It also reads production's other env files, in their order, unless `alone`.
        """
        own = self.project.env_file
        paths = (env_file,) if alone else (env_file if path == own else path for path in self.invocation.env_files)
        env_files = [part for path in paths for part in ("--env-file", path)]
        return ("docker", "compose", "-p", self.project.name, "--project-directory", self.directory, *env_files)

    def compose(self, *arguments: str, deadline: float | None = None, stdin: bytes | None = None) -> Command:
        """Return a `docker compose` command on this project. `deadline` is in seconds."""
        return self.command(*self.invocation.argv(self.project), *arguments, deadline=deadline, stdin=stdin)

    def with_tag(self, tag: str | None, command: Command) -> Command:
        """Return the command with `tag` instead of the env file's tag. None keeps the env file's."""
        prefix = ("env", f"{self.project.tag_variable}={tag}") if tag else ()
        return replace(command, argv=(*prefix, *command.argv))

    def config(self, tag: str | None = None, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the output of `docker compose config`, with `tag` and `variables` overriding the env file.

        Each `$` is doubled; `unescaped` undoes that. Raises ProductionError when Compose cannot read the files.
        """
        return self._read(self.invocation, tag, variables)

    def services(self, tag: str | None = None, variables: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the services of `config`, by name."""
        services: dict[str, dict[str, Any]] = self.config(tag, variables)["services"]
        return services

    def warnings(self) -> list[str]:
        """Return Compose's warnings about the files: an unset variable, for example."""
        return warnings_in(self._answer(self.invocation))

    def _read(
        self, invocation: Invocation, tag: str | None = None, variables: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        answer = self._answer(invocation, tag, variables)
        if tag is None and not variables:
            self._warned = warnings_in(answer)
        return self._parsed(answer)

    def _answer(
        self, invocation: Invocation, tag: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Completed:
        command = self._config(invocation, tag, variables)

        def ask() -> Completed:
            answer = self.host.run(command)
            self._parsed(answer)  # raises, so that an unreadable answer is not cached
            return answer

        made = partial(self.made_from, invocation.files, invocation.env_files, command.argv, ask)
        return self.host.retry(made)

    def _parsed(self, answer: Completed) -> dict[str, Any]:
        command = answer.command
        if answer.exit_code != 0:
            raise ProductionError(
                f"Compose cannot read the project in {self.directory}: {answer.last_line}",
                f"run `{command}` there and fix the error that it reports",
            )
        config: dict[str, Any] = parsed_json(answer, dict)
        if not isinstance(config.get("services"), dict):
            raise EngineError(f"`{command}` printed no services", "check that Compose answers: `docker compose ls`")
        return config

    def made_from(
        self,
        files: Sequence[str],
        env_files: Sequence[str],
        key: Hashable,
        ask: Callable[[], Completed],
        given: Mapping[str, bytes] | None = None,
    ) -> Completed:
        """Return Compose's answer for these files, from `ask`; cached until one of them changes.

        `given` maps absolute paths to the bytes that Compose reads in their place, whatever is on the disk.
        """
        held = given or {}
        what = key, (*files, *env_files, *held.items())
        content = partial(self._content, files, env_files, held)
        return self.remembered.made(what, content, ask, self.host.put_on_record)

    def _content(self, files: Sequence[str], env_files: Sequence[str], given: Mapping[str, bytes]) -> str | None:
        # A hash of all that Compose reads. None if unknown: the host cannot peek, or the files may refer to others.
        paths = [absolute_path(self.project, path) for path in (*files, *env_files)]
        peeked = self.host.peek([path for path in paths if path not in given])
        contents = iter(peeked or ())
        found = None if peeked is None else [given[path] if path in given else next(contents) for path in paths]
        if found is None or any(_NAMES_OTHERS.search(each) for each in found[: len(files)]):
            return None
        return "".join(hashlib.sha256(each).hexdigest() for each in found)

    def _config(
        self, invocation: Invocation, tag: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Command:
        command = self.command(*invocation.argv(self.project), "config", "--format", "json")
        given = [f"{name}={value}" for name, value in (variables or {}).items()]
        command = replace(command, argv=(*(("env", *given) if given else ()), *command.argv), secret_output=True)
        return self.with_tag(tag, command)
