"""The options of every Compose call: the files, env files and profiles from which production was created."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook.production.containers import Container
from runbook.settings.schema import Project

DEFAULT_ENV_FILE = ".env"
DEFAULT_FILES = ("docker-compose.yml",)


@dataclass(frozen=True)
class Invocation:
    """The options between `docker compose` and its command, the same on every call."""

    files: tuple[str, ...]
    env_files: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    #: Environment variables that override the values of the env files.
    variables: Mapping[str, str] = field(default_factory=dict)

    def argv(self, project: Project) -> tuple[str, ...]:
        """Return the start of every command on `project`.

        It always has --project-directory. Otherwise Compose uses the first file's directory, and every relative mount
        moves.
        """
        given = (("--env-file", self.env_files), ("-f", self.files), ("--profile", self.profiles))
        more = [part for option, values in given for value in values for part in (option, value)]
        prefix = ("env", *(f"{name}={value}" for name, value in self.variables.items())) if self.variables else ()
        return (*prefix, "docker", "compose", "-p", project.name, "--project-directory", str(project.directory), *more)


def from_labels(project: Project, containers: Sequence[Container]) -> Invocation:
    """Return the invocation that created the rolled-back `containers`, from their labels. The settings override it."""
    ours = [each for each in containers if each.service in project.services]
    # Labels of containers that a later `up` did not recreate still have the files from before.
    newest = max((each for each in ours if each.config_files), key=lambda each: each.created, default=None)
    files = project.compose_files or (newest.config_files if newest else DEFAULT_FILES)
    named = max((each.env_files for each in ours), key=len, default=())
    own = absolute_path(project, project.env_file)
    # The same file is spelled as in the settings.
    env_files = tuple(project.env_file if path == own else path for path in named)
    return Invocation(
        tuple(_short(project, path) for path in files),
        env_files if project.env_file in env_files else (project.env_file,),
    )


def absolute_path(project: Project, path: str) -> str:
    """Return the absolute path of `path`, which may be relative to the project's directory."""
    return posixpath.normpath(posixpath.join(str(project.directory), path))


def _short(project: Project, path: str) -> str:
    beginning = f"{project.directory}/"
    return path.removeprefix(beginning) if path.startswith(beginning) else path


def profiles_for(services: Mapping[str, Mapping[str, Any]], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return one profile for each `wanted` service that has profiles, so that Compose sees the service."""
    found = [profiles[0] for name in wanted if (profiles := services.get(name, {}).get("profiles"))]
    return tuple(sorted(set(map(str, found))))
