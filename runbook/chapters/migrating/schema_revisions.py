"""At which revisions the schema is, and which an image has, where the application's own commands tell it.

Alembic's are read elsewhere: those of the database in its own table, those of an image by a probe. What an application
prints is read word by word: the first word of each line is a revision. Where the schema is, the image that failed, or
that runs, is asked: the target's may not know that revision.
"""

from pydantic import TypeAdapter, ValidationError

from runbook.chapters.context import Context
from runbook.errors import Inconclusive
from runbook.hosts.command import Completed
from runbook.migrations.image.report import Graph, ImageReport, Name, Problem, Revision
from runbook.settings.absent import Absent

_NAME = TypeAdapter(Name)
_MOST = 1 << 20  # bytes of what a command prints
_NOT_TOLD = "the application's own commands (migrations.tool) do not tell it"


def unchecked(context: Context) -> Absent | None:
    """Why no migrations are looked at: there are none, or no database is named; None where they are."""
    migrations = context.settings.migrations
    if migrations.tool == "none":
        return Absent.MIGRATIONS
    return Absent.DATABASE if context.settings.database is None and migrations.tool == "alembic" else None


def is_own(context: Context) -> bool:
    """Tell whether the application's own commands are asked in Alembic's place."""
    return context.settings.migrations.tool == "own"


def no_own_downgrade(context: Context) -> str:
    """Why the application's own commands can't take the schema back: what the settings lack; empty if they can."""
    settings = context.settings
    lacks = [] if settings.migrations.downgrade else ["migrations.downgrade"]
    lacks += [] if settings.database else ["[database], without which no restore point can be taken"]
    return f"the settings lack {' and '.join(lacks)}" if lacks else ""


def revisions(context: Context) -> tuple[str, ...]:
    """The revisions at which the schema is, sorted. Raises Inconclusive when nobody tells them."""
    if not is_own(context):
        return context.database.revisions()
    origin = context.incident.facts.origin
    tag = origin.tags[0] if origin and len(origin.tags) == 1 else None
    return _first_words(_asked(context, tag, context.settings.migrations.current, alone=False), "current")


def heads(context: Context, tag: str | None) -> ImageReport:
    """What the image of release `tag` (None: the one that runs) tells of its migrations by the application's command.

    It has no way to a network meanwhile. Raises Inconclusive when it tells nothing.
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
            f"let migrations.{key} print one revision at the beginning of each line, and nothing else",
        )
    return names
