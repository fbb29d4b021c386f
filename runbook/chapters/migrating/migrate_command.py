"""The command that upgrades or downgrades the schema, and the check, before traffic is paused, that it starts.

It is Alembic in the image's Python, or the application's own command from the settings. Its first word is the
container's entrypoint, so the image's ENTRYPOINT and a shell have no influence on what runs.
"""

import shlex
from enum import StrEnum

from runbook.actions import Check, Observation
from runbook.chapters.context import Context
from runbook.hosts.command import Command
from runbook.production.compose import unescaped
from runbook.settings.database import REVISION, MigrationSettings


class Direction(StrEnum):
    """The direction of a migration, named as Alembic's commands."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


def words(settings: MigrationSettings, direction: Direction, revision: str) -> tuple[str, ...]:
    """Return the command line that migrates the schema to `revision`. Its first word is the entrypoint.

    >>> print(*words(MigrationSettings(), Direction.DOWNGRADE, "0003"))
    python3 -m alembic --config alembic.ini --name alembic downgrade 0003
    """
    own = settings.own(direction)
    return tuple(word.replace(REVISION, revision) for word in own) or _alembic(settings, direction, revision)


def harmless(settings: MigrationSettings, direction: Direction) -> tuple[str, ...]:
    """Return a command line that starts the same program and changes nothing.

    For Alembic it is `current`. For the application's own command it is `migrations.trial` or, if that is not set, the
    words before the revision and before an option that takes it, followed by `--help`.
    """
    own = settings.own(direction)
    if not own:
        return _alembic(settings, "current")
    if settings.trial:
        return settings.trial
    at = next((at for at, word in enumerate(own) if REVISION in word), len(own))
    while at < len(own) and own[at - 1].startswith("-"):
        at -= 1
    return (*own[:at], "--help")


def _alembic(settings: MigrationSettings, *what: str) -> tuple[str, ...]:
    return (settings.python, "-m", "alembic", "--config", settings.config, "--name", settings.section, *what)


def container(context: Context, direction: Direction) -> str:
    """Return the name of the container in which the migration runs."""
    return f"{context.settings.project.name}-{direction}"


def running(context: Context, tag: str, direction: Direction, revision: str) -> Command:
    """Return the command that migrates the schema to `revision`, in a temporary container of release `tag`."""
    settings = context.settings.migrations
    return context.production.run_command(
        tag,
        settings.service,
        container(context, direction),
        words(settings, direction, revision),
        environment=_environment(context, tag),
        deadline=context.settings.deadlines.migrate,
    )


def starts(context: Context, tag: str, direction: Direction) -> Check:
    """Check that this command starts: its harmless form runs in a container of the same service, image and entrypoint.

    Alembic must find the revisions that the runbook has read, which shows that it uses the same database. An
    application's own command may ignore `--help`, so it is tried without a network, where it can change nothing.
    """
    settings = context.settings.migrations
    argv, alone = harmless(settings, direction), bool(settings.own(direction)) and not settings.trial
    command = context.production.run_command(
        tag,
        settings.service,
        f"{context.incident.name}-trial",
        argv,
        environment=_environment(context, tag),
        deadline=context.settings.deadlines.command,
        alone=alone,
    )

    def observe() -> Observation:
        shown = f"`{shlex.join(argv)}` in the image of {tag}"
        answer = context.host.run(command)
        if answer.exit_code != 0:
            return Observation(
                ok=False, seen=f"{shown} ended with exit code {answer.exit_code}: {answer.last_line}", final=True
            )
        if settings.own(direction):
            return Observation(ok=True, seen=f"{shown} exited with 0")
        revisions = set(context.database.revisions())
        found = {line.split()[0] for line in answer.text.splitlines() if line.strip()}
        seen = f"{shown} finds the database at {', '.join(sorted(found)) or 'no revision'}"
        psql = f"; psql finds it at {', '.join(sorted(revisions))}" if not revisions <= found else ""
        return Observation(revisions <= found, seen + psql, final=True)

    own = f"migrations.trial to a harmless command that starts the same program as migrations.{direction}"
    alembic = f"migrations.python and migrations.config, or migrations.{direction} to the application's own command"
    return Check(
        f"the {direction} command to start in the image of {tag}",
        observe,
        f"set {own if settings.own(direction) else alembic}; until then production stays as it is",
    )


def _environment(context: Context, tag: str) -> list[str]:
    """Return time limits for locks and statements in PGOPTIONS (of libpq), appended to the service's options.

    With them, a lock that another session holds ends the migration instead of blocking it.
    """
    database, service = context.settings.database, context.settings.migrations.service
    if database is None:
        return []
    given = (context.production.services(tag)[service].get("environment") or {}).get("PGOPTIONS")
    limits = f"-c lock_timeout={database.lock_timeout:g}s -c statement_timeout={database.statement_timeout:g}s"
    return [f"PGOPTIONS={unescaped(given)} {limits}" if given else f"PGOPTIONS={limits}"]
