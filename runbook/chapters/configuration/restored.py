"""The restored configuration: production as Compose will read it, and the commands that put the files in place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runbook.actions import Artifact
from runbook.chapters.configuration.compose_text import named_in
from runbook.chapters.context import Context
from runbook.errors import ProductionError, RunbookError
from runbook.hosts.command import Command
from runbook.hosts.replaced_file import replace_commands
from runbook.incident.production_facts import ConfigurationToRestore, FileToRestore
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER
from runbook.production.env_file import EnvFile, EnvFileOnHost
from runbook.production.invocation import Invocation, absolute_path
from runbook.release import Release


def as_it_will_be(context: Context) -> Production:
    """Return production with Compose reading the files as they will be when the target starts."""
    found = to_restore(context)
    return with_copies(context, found) if found else context.production


def to_restore(context: Context) -> ConfigurationToRestore | None:
    """Return the configuration that this incident restores; None if it restores no file."""
    found = context.incident.facts.configuration_to_restore
    return found if found and found.files else None


def with_copies(context: Context, found: ConfigurationToRestore) -> Production:
    """Return production with Compose reading the kept copies, and with the kill switches as they are now."""
    call, path = context.production.invocation, context.ledger.copies.path
    own = context.settings.project.env_file
    files = tuple(path(found.compose_files[each]) for each in call.files)
    env_files = tuple(path(found.env_file) if each == own else each for each in call.env_files)
    return context.production.called_by(Invocation(files, env_files, call.profiles, found.left))


def copy_of(context: Context, sha256: str) -> EnvFileOnHost:
    """Return the kept copy of an env file. Raises Inconclusive when its content has changed."""
    context.ledger.copies.read(sha256)
    return context.env_file.at(context.ledger.copies.path(sha256))


def with_tag_and_switches(context: Context, release: Release, sha256: str, left: Mapping[str, str]) -> EnvFile:
    """Return the kept copy of an env file, with the tag of `release` and the values in `left` of kill switches."""
    there = copy_of(context, sha256)
    return there.with_values(there.read(), {context.settings.project.tag_variable: release.tag, **left})


def restored_env_file(context: Context, release: Release) -> bytes | None:
    """Return the future content of the env file; None if only its tag changes."""
    found = to_restore(context)
    if found is None or not found.variables:
        return None
    return with_tag_and_switches(context, release, found.env_file, found.left).content


def reading_env_file(context: Context) -> set[str]:
    """Return the services that take the whole env file, if its values are restored. They differ afterwards."""
    found = to_restore(context)
    if found is None or not found.variables:
        return set()
    project = context.settings.project
    own = absolute_path(project, project.env_file)
    named = [named_in(path, context.ledger.copies.read(sha256)) for path, sha256 in found.compose_files.items()]
    return {
        service
        for each in named
        for service, env_files in each.env_files.items()
        if own in (absolute_path(project, path) for path in env_files)
    }


def files_not_in_place(context: Context) -> list[FileToRestore]:
    """Return the Compose files to restore that do not have their restored content yet."""
    found, production = to_restore(context), context.production
    files = [each for each in found.files if each.path in found.compose_files] if found else []
    now = {
        each.path: context.host.check(production.command("sha256sum", "--", each.place)).text.lstrip("\\")[:64]
        for each in files
    }
    return [each for each in files if found and now[each.path] != found.compose_files[each.path]]


def putting_in_place(context: Context, files: Sequence[FileToRestore]) -> tuple[Command, ...]:
    """Return the commands that restore the content of Compose files, and keep copies of the current content."""
    found, production = to_restore(context), context.production

    def command(*argv: str, stdin: bytes | None = None, means: tuple[tuple[int, RunbookError], ...] = ()) -> Command:
        return replace(production.command(*argv, stdin=stdin), means=means)

    commands: list[Command] = []
    for each in files:
        content = context.ledger.copies.read(found.compose_files[each.path]) if found else b""
        commands += replace_commands(command, each.place, each.was, content, each.kept, error=ProductionError)
    return tuple(commands)


def kept_files(context: Context) -> tuple[Artifact, ...]:
    """Return the kept copies of the Compose files from before they were restored."""
    found = to_restore(context)
    files = [each for each in found.files if each.path in found.compose_files] if found else []
    return tuple(Artifact(each.kept, f"{each.path} before the change") for each in files)


def kept_env_file(context: Context) -> str:
    """Return the path of the copy of the env file from before the switch, in the runbook's folder on the host."""
    return f"{context.production.directory}/{FOLDER}/{context.incident.name}.env"
