"""The revisions of the schema and of an image, for Alembic or from the application's own commands.

Alembic's revisions are read by other modules: the database's from Alembic's table, an image's by a probe. In the output
of an application's command, the first word of each line is a revision. The schema's revisions come from the failed or
the running image, because the target's may not know them.
"""

from pydantic import TypeAdapter, ValidationError

from runbook.chapters.context import Context
from runbook.errors import Inconclusive
from runbook.hosts.command import Completed
from runbook.migrations.image.report import Graph, ImageReport, Name, Problem, Revision
from runbook.settings.absent import Absent

_NAME = TypeAdapter(Name)
_MOST = 1 << 20  # characters of a command's output
_NOT_TOLD = "the application's own commands (migrations.tool) do not report it"


def unchecked(context: Context) -> Absent | None:
    """Return why migrations are not checked: there are none, or no database is named. None if they are checked."""
    migrations = context.settings.migrations
    if migrations.tool == "none":
        return Absent.MIGRATIONS
    return Absent.DATABASE if context.settings.database is None and migrations.tool == "alembic" else None


def is_own(context: Context) -> bool:
    """Return whether the application's own commands are used instead of Alembic."""
    return context.settings.migrations.tool == "own"


def no_own_downgrade(context: Context) -> str:
    """Return what the settings lack for a downgrade with the application's own commands; empty if nothing."""
    settings = context.settings
    lacks = [] if settings.migrations.downgrade else ["migrations.downgrade"]
    lacks += [] if settings.database else ["[database], which a restore point needs"]
    return f"the settings lack {' and '.join(lacks)}" if lacks else ""


def revisions(context: Context) -> tuple[str, ...]:
    """Return the schema's revisions, sorted. Raises Inconclusive when they cannot be read."""
    if not is_own(context):
        return context.database.revisions()
    origin = context.incident.facts.origin
    tag = origin.tags[0] if origin and len(origin.tags) == 1 else None
    return _first_words(_asked(context, tag, context.settings.migrations.current, alone=False), "current")


def heads(context: Context, tag: str | None) -> ImageReport:
    """Return the migration report of release `tag` (None: the running release) from the application's own command.

    The command runs without a network. Raises Inconclusive when it prints no revision.
    """
    names = _first_words(_asked(context, tag, context.settings.migrations.heads, alone=True), "heads")
    known = tuple(Revision(name, (), (), (), name, "") for name in names)
    problems = tuple(Problem(what, _NOT_TOLD) for what in ("models", "span", "upgrade", "downgrade"))
    return ImageReport(graph=Graph({}, names, names, known), problems=problems)


def _asked(context: Context, tag: str | None, argv: tuple[str, ...], *, alone: bool) -> Completed:
    settings, name = context.settings.migrations, f"{context.incident.name}-revisions"
    command = context.production.run_command(
        tag,
        settings.service,
        name,
        argv,
        environment=(),
        deadline=context.settings.deadlines.command,
        alone=alone,
    )
    return context.host.ask(command, lambda answer: answer)


def _first_words(answer: Completed, key: str) -> tuple[str, ...]:
    whose = f"the command of migrations.{key}"
    if answer.exit_code != 0:
        raise Inconclusive(
            f"{whose} ended with exit code {answer.exit_code}: {answer.last_line}",
            f"run `{answer.command}` by hand, and correct migrations.{key} in the settings",
        )
    found = {line.split()[0] for line in answer.text[:_MOST].splitlines() if line.strip()}
    try:
        names = tuple(sorted(map(_NAME.validate_python, found)))
    except ValidationError:
        names = ()
    if not names:
        raise Inconclusive(
            f"{whose} prints no revision: {answer.last_line[:200]}",
            f"make migrations.{key} print one revision at the start of each line, and nothing else",
        )
    return names
