"""The copy of production's schema on which one decision is tried: started when it is needed, once, and removed."""

import hashlib
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import runbook
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating.migrate_command import Direction, words
from runbook.chapters.startup.live_schema import LiveSchema, live_schema
from runbook.chapters.startup.scratch_database import ScratchDatabase, asking, rows_in, rows_tried, trying
from runbook.chapters.startup.scratch_project import ScratchProject
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive, RunbookError
from runbook.migrations.bridge.definitions import DEFINITIONS
from runbook.migrations.bridge.shapes import SHAPES
from runbook.migrations.catalog import WHOLE_CATALOG, whole_catalog_in
from runbook.release import Release

Rows = tuple[tuple[str, ...], ...]

# What a migration may change beside the schema, and a new copy of that does not bring back.
_AROUND = """
SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog;
SELECT 'role', to_jsonb(r)::text FROM pg_roles r
UNION ALL
SELECT 'member', concat_ws(' ', roleid::regrole, member::regrole, admin_option) FROM pg_auth_members
UNION ALL
SELECT 'setting', concat_ws(' ', d.datname, nullif(s.setrole, 0)::regrole, s.setconfig::text)
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
UNION ALL
SELECT 'database', (to_jsonb(d) - ARRAY['oid', 'datfrozenxid', 'datminmxid', 'datlastsysoid'])::text FROM pg_database d
ORDER BY 1, 2
"""
#: Parts that a copy is fed, and `beginning_of` reads what it prints.
BEGINNING = (asking(WHOLE_CATALOG), trying(DEFINITIONS), trying(SHAPES))
_ASKED = (*BEGINNING, trying(_AROUND))


@dataclass(frozen=True)
class Beginning:
    """What the copy is before anything is tried on it, or as migrations have left it.

    `path` is the application's search path, `catalog` the whole catalog. `definitions` and `shapes` are the rows that
    tell what of the schema could be relaxed; None where this PostgreSQL does not tell them.
    """

    path: str = ""
    catalog: Rows = ()
    definitions: Rows | None = None
    shapes: Rows | None = None


@dataclass(frozen=True)
class _Pinned(Release):
    """The failed release: its image may have no registry digest, and be known by its id alone."""

    image: str = ""

    def pinned(self, service: str) -> str:  # noqa: ARG002 - there is but the one service that holds the migrations
        """The image of the migrations, by digest or id."""
        return self.image


class SchemaCopy:
    """One copy for one decision; within `removed_afterwards`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._started: _Started | None = None
        self._untouched = self._over = False
        self._starting = threading.Lock()
        #: Why it could not be removed; empty where it was, or was never started.
        self.left = ""

    @contextmanager
    def removed_afterwards(self) -> Iterator[None]:
        """What is started here leaves nothing behind; what is left all the same is told by `left`."""
        try:
            yield
        finally:
            try:
                self._remove()
            except RunbookError as error:
                self.left = f"{error.seen}; type {error.next_step}"

    def end(self) -> None:
        """Remove what was begun ahead, if no decision has; nothing is started any more. Raises Inconclusive."""
        self._over = True
        self._remove()

    def _remove(self) -> None:
        with self._starting:
            if "project" in vars(self):
                self.project.remove()

    def begin(self, expected: Collection[str]) -> Self:
        """Start it before it is needed, if production is not at the revisions that are `expected`.

        Not where the target's image was asked in an earlier run, which may have kept what a copy told as well. What
        goes wrong is met again where it is needed.
        """
        with suppress(RunbookError):
            known = migration_facts.told_before(self._context, pinned_release(self._context))
            if not known and set(self.live.revisions) != set(expected):
                self._started = self._start()
        return self

    @cached_property
    def project(self) -> ScratchProject:
        """The project of the trial: the database, and the image that has the migrations. Raises RunbookError."""
        facts, service = self._context.incident.facts, self._context.settings.migrations.service
        deploying = facts.release_to_deploy
        if deploying is not None:
            tag, image = deploying.tag, deploying.release().pinned(service)
        else:
            tag = facts.failed.tags[0] if facts.failed.tags else self._context.production.tag()
            image = migration_facts.failed_image(self._context)
        return ScratchProject(self._context, _Pinned(tag, {}, {service: ""}, image))

    @cached_property
    def live(self) -> LiveSchema:
        """Production's schema, of which it is the copy. Raises CommandFailed and the like."""
        return live_schema(self._context)

    def question(self) -> list[Any] | None:
        """All that decides what the copy tells, whatever is tried on it; None where something of it is not known."""
        how = self.project.question()
        database = self._context.settings.database
        if how is None or database is None:
            return None
        names = [database.user, database.name, database.version_table, database.version_schema]
        return [_code(), how, names, self.live.question()]

    def at_its_beginning(self) -> tuple[ScratchDatabase, Beginning]:
        """The copy as production's schema is: started, or brought back to that, and started anew where it is not."""
        if not (self._started and (self._untouched or self._is_again(self._started))):
            self._started = self._start()
        self._untouched = False
        return self._started.copy, self._started.beginning

    def for_bridge(self) -> tuple[ScratchDatabase, Beginning]:
        """The copy as a bridge would find the schema; before a deploy, as that release's migrations leave it.

        Raises Inconclusive when they fail.
        """
        found, beginning = self.at_its_beginning()
        if self._context.incident.facts.release_to_deploy is None:
            return found, beginning
        settings, known = self._context.settings.migrations, migration_facts.of(self._context)
        (to,) = known.database
        done = self.project.run(
            settings.service, words(settings, Direction.UPGRADE, to), self._context.settings.deadlines.healthy
        )
        if done.exit_code != 0:
            raise Inconclusive(f"the upgrade to {to} ended with exit code {done.exit_code}", "try it by hand")
        found.now_at(to)
        return found, beginning_of(beginning.path, found.told(*BEGINNING))

    def _is_again(self, started: "_Started") -> bool:
        """Make the copy anew in the same server; tell whether it is what it was at first."""
        try:
            found = _read(started.copy.copy_again(self.live, *_ASKED, started.copy.search_path))
        except RunbookError:
            return False
        return found == (started.beginning, started.around) and started.around is not None

    def _start(self) -> "_Started":
        live = self.live
        self.project.remove()
        with self._starting:
            if self._over:
                raise Inconclusive("the run has ended", "run it again")
            self.project.begin(self._context.settings.migrations.service)
        copy = ScratchDatabase(self._context, self.project)
        found = _read(copy.copy(live, *_ASKED, copy.search_path))
        self._untouched = True
        return _Started(copy, *found)


@dataclass(frozen=True)
class _Started:
    """A copy that was started, what it was then, and what was around the schema."""

    copy: ScratchDatabase
    beginning: Beginning
    around: Rows | None


def _read(told: list[str]) -> tuple[Beginning, Rows | None]:
    """What the copy has told of `_ASKED`; apart from it, what is around the schema."""
    *beginning, around, path = told
    (named,) = rows_in(path) or [[]]
    return beginning_of(next(iter(named), ""), beginning), _rows_tried(around)


def beginning_of(path: str, told: Sequence[str]) -> Beginning:
    """What a copy has told of the parts of `BEGINNING`, where the application connects with that search path."""
    catalog, *tried = told
    return Beginning(path, tuple(whole_catalog_in(rows_in(catalog))), *map(_rows_tried, tried))


def _rows_tried(told: str) -> Rows | None:
    rows = rows_tried(told)
    return None if rows is None else tuple(sorted(map(tuple, rows)))


@cache
def _code() -> str:
    """A fingerprint of all code that decides how something is tried, and what comes of it."""
    folder = Path(runbook.__file__).parent
    found = hashlib.sha256(version("pglast").encode())
    for path in sorted(folder.rglob("*.py")):
        found.update(f"\n{path.relative_to(folder)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()
