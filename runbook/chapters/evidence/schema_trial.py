"""The trial of the failed release's migrations on a copy of production's schema: down to the target's head, and up.

Before a deploy, the release to deploy migrates up from the running release's head, and down again.

The copy is made like that of the start trial: production's roles, schema and revision in a container of the database's
image, on a separate network, without rows. The target's statements are tried on the schema as it is now and as the
target knows it. The server's log shows what the upgrade really runs, whatever env.py reads from the database.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter

from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.evidence.partitions import still_placed
from runbook.chapters.evidence.schema_copy import BEGINNING, Beginning, Rows, SchemaCopy, beginning_of
from runbook.chapters.migrating.migrate_command import Direction, words
from runbook.chapters.startup.scratch_database import LOG_NONE, LOG_STATEMENTS, ScratchDatabase, asking, rows_in
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.catalog import WHOLE_CATALOG, catalog_in, differences, whole_catalog_in
from runbook.migrations.database import literal
from runbook.migrations.image.mapped_models import Models
from runbook.migrations.model_statements import (
    CodeStatement,
    Refused,
    compared,
    refused,
    script,
    statements_of_models,
    taken,
)

_SHOWN: Final = 3  # differences that are shown
_BEGINS: Final = "database system is ready to accept connections"


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial. `untried` says why there was no copy; the rest is empty then.

    - `upgrade_sql` and `downgrade_sql`: the SQL that each ran; None if the log did not show it.
    - `breaks`: the target's statements that only the schema of now refuses, whatever their values.
    - `doubtful`: refused statements that another value, or the schema of before, might have spared.
    - `passed`: the number of statements that the schema of now accepts.
    - `taken`: the tables for which it accepts every statement.
    - `placed`: the partitions of the target's schema whose rows all have a place in a partition of now.
    - `no_way_back`: why the round trip did not close; empty if it did.
    - `leads_nowhere`: whether the downgrade succeeded without leading to the target's schema.
    - `apart`: the differences of the schema after the downgrade from the one with which the target was validated; None
      if they are unknown.
    - `then`: what the schema after the downgrade refused; None if there was no such schema.
    - `then_catalog`: the whole catalog of that schema; None if there was none.
    - `beginning`: the schema on which a bridge would be built.
    - `by`: the run that made the trial; empty for this run.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    untried: str = ""
    upgrade_sql: str | None = None
    downgrade_sql: str | None = None
    breaks: tuple[Refused, ...] = ()
    doubtful: tuple[Refused, ...] = ()
    passed: int = 0
    taken: frozenset[str] = frozenset()
    placed: frozenset[str] = frozenset()
    no_way_back: str = ""
    leads_nowhere: bool = False
    apart: tuple[str, ...] | None = None
    then: tuple[Refused, ...] | None = None
    then_catalog: Rows | None = None
    beginning: Beginning | None = None
    by: str = ""


_RESULT = TypeAdapter(TrialResult)


def tried(context: Context, copy: SchemaCopy, validated: Sequence[tuple[str, ...]] | None = None) -> TrialResult:
    """Try the range between the target's head and the database with the image of the copy's project.

    `validated` is the catalog from the target's validation at its head. The kept result of an earlier run is returned
    if exactly the same was tried. If there was no copy, the result says why, and nothing is raised.
    """
    began = time.monotonic()
    try:
        asked = copy.question()
        path = None if asked is None else context.kept.path([*_question(context, validated), asked])
        if (known := context.kept.read(path, _RESULT.validate_json)) is not None:
            return known
        trial = _Trial(context, copy.project, *copy.at_its_beginning(), began=began, validated=validated)
        found = trial.run()
    except RunbookError as error:
        return TrialResult(untried=error.seen)
    if trial.certain:
        context.kept.keep(path, to_json(replace(found, by=context.incident.name)))
    return found


def to_json(trial: TrialResult) -> Any:
    """Return a trial's result as JSON-like data."""
    return _RESULT.dump_python(trial, mode="json")


def _question(context: Context, validated: Sequence[tuple[str, ...]] | None) -> list[Any]:
    """Return what is tried on the copy, and what the result is compared with."""
    known, settings = migration_facts.of(context), context.settings.migrations
    head, at = known.way or ("", "")
    commands = [words(settings, Direction.DOWNGRADE, head), words(settings, Direction.UPGRADE, at)]
    models = asdict(known.target.models) if known.target.models else None
    deploying = context.incident.facts.release_to_deploy is not None
    revisions = [sorted(known.target.heads), sorted(known.database)]
    return ["trial", deploying, settings.service, revisions, commands, models, validated]


class TriedStatements:
    """Statements of the target's code as a part for a copy, and the refused ones."""

    def __init__(self, statements: Sequence[CodeStatement], path: str, *, triggers: bool = False) -> None:
        """`path` is the application's search path. `triggers` is as in `script`."""
        self._statements = statements
        self._marker = secrets.token_hex(16)
        self.part = script(statements, self._marker, path, triggers=triggers)

    def refused(self, told: str) -> list[Refused]:
        """Return the refused statements from psql's output. Raises Inconclusive when a statement has no result."""
        try:
            return refused(self._statements, self._marker, told)
        except ValueError as error:
            raise Inconclusive(
                f"the copy of the schema did not answer: {error}", "check the database's image"
            ) from None


def _few(apart: Sequence[str]) -> str:
    more = len(apart) - _SHOWN
    return "; ".join([*apart[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


class _Trial:
    def __init__(  # noqa: PLR0913 - each is needed
        self,
        context: Context,
        project: ScratchProject,
        copy: ScratchDatabase,
        beginning: Beginning,
        *,
        began: float,
        validated: Sequence[tuple[str, ...]] | None,
    ) -> None:
        self._context = context
        self._project = project
        self._copy = copy
        self._beginning = beginning
        self._validated = validated
        self._apart: tuple[str, ...] | None = None
        self._catalog = beginning.catalog
        self._then_catalog: Rows | None = None
        self._marks: dict[Direction, str] = {}
        self._until = began + context.settings.deadlines.healthy
        self._known = migration_facts.of(context)
        models = self._known.target.models or Models(())
        self._statements = statements_of_models(models)
        #: Whether a repeated trial would have the same result. A failed command may be the machine's fault.
        self.certain = True

    def run(self) -> TrialResult:
        """Run the trial. Raises a RunbookError, such as Inconclusive, when there is no copy, or when the time is up."""
        if self._known.way is None:
            raise Inconclusive("more than one branch was migrated", "try it by hand")
        head, at = self._known.way
        code = TriedStatements(self._statements, self._beginning.path)
        if self._context.incident.facts.release_to_deploy:
            return self._up_first(code, head, at)
        now = code.refused(self._copy.told(code.part, LOG_STATEMENTS)[0])
        why, told = self._migrated(Direction.DOWNGRADE, head, asking(WHOLE_CATALOG), code.part, LOG_STATEMENTS)
        if why:
            return self._concluded(now, None, why)
        self._then_catalog = tuple(whole_catalog_in(rows_in(told[0])))
        undone = self._then_catalog != self._catalog
        if self._validated is not None:
            self._apart = tuple(differences(self._validated, catalog_in(self._then_catalog)))
        then = code.refused(told[1])
        why, told = self._migrated(Direction.UPGRADE, at, asking(WHOLE_CATALOG))
        if why and not undone:
            found = self._concluded(now, None, f"the downgrade to {head} changed nothing")
            return replace(found, leads_nowhere=True)
        if why:
            return self._concluded(now, then, why)
        if apart := differences(self._catalog, whole_catalog_in(rows_in(told[0]))):
            why = f"down to {head} and up again, the schema differs: {_few(apart)}"
        ran = self._ran()
        return replace(
            self._concluded(now, then, why),
            upgrade_sql=ran[Direction.UPGRADE],
            downgrade_sql=ran[Direction.DOWNGRADE],
        )

    def _up_first(self, code: TriedStatements, head: str, to: str) -> TrialResult:
        """Before a deploy: upgrade to the head of the release to deploy, and downgrade to the running release's."""
        self._then_catalog = before = self._catalog
        then = code.refused(self._copy.told(code.part, LOG_STATEMENTS)[0])
        why, told = self._migrated(Direction.UPGRADE, to, *BEGINNING, code.part, LOG_STATEMENTS)
        if why:
            raise Inconclusive(why, "do not deploy it: its migrations fail on a copy of the schema")
        *beginning, seen = told[: len(BEGINNING) + 1]
        self._beginning, now = beginning_of(self._beginning.path, beginning), code.refused(seen)
        self._catalog = self._beginning.catalog
        failed, told = self._migrated(Direction.DOWNGRADE, head, asking(WHOLE_CATALOG))
        why = failed
        if not why and (apart := differences(before, whole_catalog_in(rows_in(told[0])))):
            why = f"up to {to} and down again, the schema differs: {_few(apart)}"
        ran = self._ran()
        return replace(
            self._concluded(now, then, why),
            upgrade_sql=ran[Direction.UPGRADE],
            downgrade_sql=None if failed else ran[Direction.DOWNGRADE],
        )

    def _ran(self) -> dict[Direction, str | None]:
        """Return the SQL of each successful migration from the server's log; None if the log is incomplete."""
        from runbook.migrations.server_log import as_sql, statements_run  # noqa: PLC0415 - loads PostgreSQL's grammar

        marks = list(self._marks.values())
        rest = self._copy.log_until(marks[-1]) or ""
        if _BEGINS not in rest.partition(marks[0])[0]:
            self.certain = False
            return dict.fromkeys(self._marks)
        found: dict[Direction, str | None] = {}
        for direction, mark in self._marks.items():
            run, _, rest = rest.partition(mark)
            found[direction] = as_sql(statements_run(run))
        return found

    def _migrated(self, direction: Direction, revision: str, *parts: str) -> tuple[str, list[str]]:
        """Migrate the copy. Return why it is not at `revision` then (empty if it is), and the copy's output of `parts`.

        The exit code alone proves nothing. The caller must have switched on the logging of statements, which ends here.
        """
        settings = self._context.settings.migrations
        argv = words(settings, direction, revision)
        done = self._project.run(settings.service, argv, self._left())
        if done.exit_code != 0:
            self.certain = False
            said = self._context.incident.journal.redactor.text(done.last_line)
            return f"the {direction} to {revision} ended with exit code {done.exit_code}: {said}", []
        self._left()
        self._marks[direction] = secrets.token_hex(16)
        told, _, *more = self._copy.told(self._copy.at, _marking(self._marks[direction]), *parts)
        at = sorted(told.split())
        expected = self._known.target.heads if direction is Direction.DOWNGRADE else self._known.database
        there = set(at) == set(expected)
        return "" if there else f"after the {direction} to {revision} the copy is at {', '.join(at) or 'none'}", more

    def _left(self) -> float:
        """Return the seconds left. Raises Inconclusive when less than one is left."""
        left = self._until - time.monotonic()
        if left < 1:
            limit = self._context.settings.deadlines.healthy
            raise Inconclusive(
                f"the trial on a copy of the schema took more than {limit:g} s", "raise deadlines.healthy"
            )
        return left

    def _concluded(self, now: list[Refused], then: list[Refused] | None, no_way_back: str) -> TrialResult:
        breaks, gone, doubtful = compared(now, then)
        if not no_way_back:
            gone = []  # neither schema has it, and the range did not touch it
        elif gone:
            no_way_back = f"after the downgrade the target's code is refused: {gone[0].message}; {no_way_back}"
        return TrialResult(
            breaks=tuple(breaks),
            doubtful=(*gone, *doubtful),
            passed=len(self._statements) - len(now),
            taken=taken(self._statements, now),
            placed=still_placed(self._then_catalog or (), self._catalog),
            no_way_back=no_way_back,
            leads_nowhere=bool(gone),
            apart=self._apart,
            then=None if then is None else tuple(then),
            then_catalog=self._then_catalog,
            beginning=self._beginning,
        )


def _marking(mark: str) -> str:
    """Return a part that writes `mark` to the server's log, to find the place again, and stops logging."""
    return f"SELECT {literal(mark)};\n{LOG_NONE}"
