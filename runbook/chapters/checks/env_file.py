"""Checks of the env file before a switch: this user can replace it, and it alone decides which release runs."""

from pathlib import PurePosixPath

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.errors import EnvFileError
from runbook.production.docker_engine import FOLDER
from runbook.production.invocation import absolute_path
from runbook.release import PROBE


def replaceable(context: Context) -> Check:
    """Check, before traffic is paused, that this user can replace the env file and keep its owner."""

    def observe() -> Observation:
        env_file, files = context.env_file.read(), context.production.files
        folder, notes = str(PurePosixPath(env_file.path).parent), f"{context.production.directory}/{FOLDER}"
        user, may_write = files.user(), files.writable([folder, notes])
        writable, ours = folder in may_write, notes in may_write or not files.there([notes])
        linked = bool(files.links([notes]))
        keeps_owner = user in ("0", env_file.owner)
        seen = f"user {user}, env file owned by {env_file.owner}, {folder} {'writable' if writable else 'NOT writable'}"
        seen += "" if ours else f", {notes} NOT writable"
        seen += f", {notes} is a LINK, and copies are not written through links" if linked else ""
        good = writable and ours and keeps_owner and not linked
        return Observation(good, seen if good else f"{seen}; {_whose(context, folder)}")

    return Check(
        "an env file that this user can replace without changing its owner", observe, "run this as the deploying user"
    )


def _whose(context: Context, path: str) -> str:
    """Return a file's owner and mode, and this user's groups, in words, for the person who corrects them."""
    file = context.seen.file(path)
    groups = ", ".join(context.seen.user().groups)
    return f"{path} has owner {file.user}:{file.group} and mode {file.mode:o}; this user's groups: {groups}"


def decides(context: Context) -> Check:
    """Check that the env file sets the tag, and that Compose takes every rolled-back service's image from it."""
    variable = context.settings.project.tag_variable

    def observe() -> Observation:
        env_file, production = context.env_file.read(), context.production
        env_file.value_of(variable)

        def as_it_is() -> str:
            tag, images = production.tag(), production.images_with_tag()
            return f"{variable}={tag}; Compose would start {', '.join(map(str, images.values()))}"

        def against_another_value() -> str:
            try:
                context.env_file.with_value(env_file, variable, PROBE)
            except EnvFileError as error:
                return f"{error.seen}{_who_sets(context)}"
            return ""

        seen, against = context.incident.ahead.at_once(as_it_is, against_another_value)
        return Observation(not against, against or seen)

    return Check(
        f"{variable} in the env file to decide which release runs",
        observe,
        f"set {variable} only in {context.settings.project.env_file}",
    )


def _who_sets(context: Context) -> str:
    variable, own = context.settings.project.tag_variable, context.env_file.path
    places = [absolute_path(context.settings.project, path) for path in context.production.invocation.env_files]
    others = [
        path for path in places if path != own and variable in context.env_file.at(path, alone=True).read().values
    ]
    return f", because it is also set in {', '.join(others)}" if others else ""
