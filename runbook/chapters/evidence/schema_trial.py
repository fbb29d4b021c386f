"""The failed release's migrations, down to the target's head and up again, on a copy of production's schema.

Before a deploy the release to deploy goes up and down again, from where what runs now is.

The copy is that of the start trial: production's roles, schema and revision in a container of the database's own image,
on a network of its own, without rows. On it the target's statements are tried on the schema as it is now and as the
target knows it, and the server's log tells what the upgrade really runs, whatever env.py asks the database.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating.migrate_command import Direction, words
from runbook.chapters.startup.scratch_database import LOGS_NONE, ScratchDatabase
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.catalog import catalog_of, differences, whole_catalog_of
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
from runbook.migrations.partitions import still_placed
from runbook.release import Release

_SHOWN: Final = 3  # differences that are told
_BEGINS: Final = "database system is ready to accept connections"


@dataclass(frozen=True)
class TrialResult:
    """What the copy told; `untried` says why there was none, and then the rest is empty.

    `upgrade_sql` and `downgrade_sql` are what both ran, None where that could not be seen. `breaks` are statements of
    the target's that only the schema as it is now refuses, whatever their values, and `doubtful` those that another
    value, or the schema of before, might have spared. `no_way_back` says why the round trip did not close; empty where
    it did. It `leads_nowhere` if the downgrade ended well, and the target's schema is not there all the same. `passed`
    is the number of statements that the schema as it is now takes; of the tables `taken` it takes each. `placed` are
    the partitions of the target's schema of which each row has a place in one of now. `apart` are differences between
    the schema after the downgrade and the one that the target was validated with; None where that is not known. `then`
    is what the schema after the downgrade refused, and `then_catalog` that schema's whole catalog;
    None where it was not there.
    """

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
    seconds: float = 0.0
    then: tuple[Refused, ...] | None = None
    then_catalog: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True)
class _Pinned(Release):
    """The failed release: its image may have no registry digest, and be known by its id alone."""

    image: str = ""

    def pinned(self, service: str) -> str:  # noqa: ARG002 - there is but the one service that holds the migrations
        """The image of the migrations, by digest or id."""
        return self.image


def tried(context: Context, tag: str, image: str, validated: Sequence[tuple[str, ...]] | None = None) -> TrialResult:
    """Try the range between the target's head and the database with `image` of release `tag`.

    `validated` is the catalog that the target was validated with, at its head.

    Raises nothing that is only a doubt: why there was no copy is in the result.
    """
    began = time.monotonic()
    service = context.settings.migrations.service
    release = _Pinned(tag, {}, {service: ""}, image)
    try:
        project = ScratchProject(context, release)
        with project.removed_afterwards():
            project.begin()
            found = _Trial(context, project, began, validated).run()
    except RunbookError as error:
        return TrialResult(untried=error.seen, seconds=time.monotonic() - began)
    return found


def refused_by(
    copy: ScratchDatabase, statements: Sequence[CodeStatement], path: str, *, triggers: bool = False
) -> list[Refused]:
    """What a copy refuses of statements, with the search path of the application. Raises Inconclusive if unanswered."""
    marker = secrets.token_hex(16)
    told = copy.psql(script(statements, marker, path, triggers=triggers))
    try:
        return refused(statements, marker, told)
    except ValueError as error:
        raise Inconclusive(f"the copy of the schema did not answer: {error}", "look at its image") from None


def _few(apart: Sequence[str]) -> str:
    more = len(apart) - _SHOWN
    return "; ".join([*apart[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


class _Trial:
    def __init__(
        self, context: Context, project: ScratchProject, began: float, validated: Sequence[tuple[str, ...]] | None
    ) -> None:
        self._context = context
        self._project = project
        self._copy = ScratchDatabase(context, project)
        self._began = began
        self._validated = validated
        self._apart: tuple[str, ...] | None = None
        self._catalog: list[tuple[str, ...]] = []
        self._then_catalog: tuple[tuple[str, ...], ...] | None = None
        self._until = began + context.settings.deadlines.healthy
        models = migration_facts.of(context).target.models or Models(())
        self._statements = statements_of_models(models)
        self._path = ""

    def run(self) -> TrialResult:
        """Raises Inconclusive and the like when there is no copy, or when the time is over."""
        known = migration_facts.of(self._context)
        head, (at,) = known.target_head, known.database
        self._copy.copy()
        self._path = self._copy.search_path()
        self._catalog = whole_catalog_of(self._copy)
        if self._context.incident.facts.release_to_deploy:
            return self._up_first(head, at)
        now = self._refused()
        why = self._migrate(Direction.DOWNGRADE, head)
        if why:
            return self._concluded(now, None, why)
        self._then_catalog = tuple(whole_catalog_of(self._copy))
        undone = list(self._then_catalog) != self._catalog
        if self._validated is not None:
            self._apart = tuple(differences(self._validated, catalog_of(self._copy)))
        then = self._refused()
        why = self._migrate(Direction.UPGRADE, at)
        if why and not undone:
            found = self._concluded(now, None, f"the downgrade to {head} changes nothing")
            return replace(found, leads_nowhere=True)
        if why:
            return self._concluded(now, then, why)
        if apart := differences(self._catalog, whole_catalog_of(self._copy)):
            why = f"down to {head} and up again {_few(apart)}"
        down, up = self._ran()
        return replace(self._concluded(now, then, why), upgrade_sql=up, downgrade_sql=down)

    def _up_first(self, head: str, to: str) -> TrialResult:
        """Before a deploy: up to the head of the release to deploy, and down again to that of what runs now."""
        self._then_catalog, before = tuple(self._catalog), self._catalog
        then = self._refused()
        if why := self._migrate(Direction.UPGRADE, to):
            raise Inconclusive(why, "do not deploy it: its migrations fail on a copy of the schema")
        self._catalog, now = whole_catalog_of(self._copy), self._refused()
        failed = why = self._migrate(Direction.DOWNGRADE, head)
        if not why and (apart := differences(before, whole_catalog_of(self._copy))):
            why = f"up to {to} and down again {_few(apart)}"
        up, down = self._ran()
        return replace(self._concluded(now, then, why), upgrade_sql=up, downgrade_sql=None if failed else down)

    def _ran(self) -> tuple[str | None, str | None]:
        """What the two migrations ran, as the server's log has it; None where it has lost its beginning."""
        from runbook.migrations.server_log import as_sql, statements_run  # noqa: PLC0415 - loads PostgreSQL's grammar

        first, mark, second = self._copy.log().partition(LOGS_NONE)
        if not mark or _BEGINS not in first:
            return None, None
        return as_sql(statements_run(first)), as_sql(statements_run(second))

    def _migrate(self, direction: Direction, revision: str) -> str:
        """Why the copy is not at `revision` afterwards; empty where it is. The exit code alone proves nothing."""
        settings = self._context.settings.migrations
        argv = words(settings, direction, revision)
        self._copy.log_statements()
        done = self._project.run(settings.service, argv, self._left())
        self._copy.log_statements(on=False)
        if done.exit_code != 0:
            said = self._context.incident.journal.redactor.text(done.last_line)
            return f"the {direction} to {revision} ended with exit code {done.exit_code}: {said}"
        at = self._copy.revisions()
        return (
            "" if at == [revision] else f"after the {direction} to {revision} the copy is at {', '.join(at) or 'none'}"
        )

    def _refused(self) -> list[Refused]:
        """What the copy refuses of the target's statements."""
        self._left()
        return refused_by(self._copy, self._statements, self._path)

    def _left(self) -> float:
        """The seconds that are left. Raises Inconclusive when none are."""
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
            seconds=time.monotonic() - self._began,
            then=None if then is None else tuple(then),
            then_catalog=self._then_catalog,
        )
