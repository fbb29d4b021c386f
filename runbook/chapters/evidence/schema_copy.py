"""The copy of production's schema for the trials of one decision: started once, when needed, and removed."""

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

# What a migration may change outside the schema. Copying the schema again does not restore it.
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
#: Parts for a copy; `beginning_of` reads their output.
BEGINNING = (asking(WHOLE_CATALOG), trying(DEFINITIONS), trying(SHAPES))
_ASKED = (*BEGINNING, trying(_AROUND))


@dataclass(frozen=True)
class Beginning:
    """The state of the copy before anything is tried on it, or after migrations.

    `path` is the application's search path, `catalog` the whole catalog. `definitions` and `shapes` are rows that show
    what of the schema could be relaxed; None if this PostgreSQL refuses the queries for them.
    """

    path: str = ""
    catalog: Rows = ()
    definitions: Rows | None = None
    shapes: Rows | None = None


@dataclass(frozen=True)
class _Pinned(Release):
    """The failed release. Its image may have no registry digest, only an id."""

    image: str = ""

    def pinned(self, service: str) -> str:  # noqa: ARG002 - it has only the service with the migrations
        """Return the image with the migrations, by digest or id."""
        return self.image


class SchemaCopy:
    """The copy for one decision, to be used within `removed_afterwards`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._started: _Started | None = None
        self._untouched = self._over = False
        self._starting = threading.Lock()
        #: Why the copy could not be removed; empty if it was, or if it was never started.
        self.left = ""

    @contextmanager
    def removed_afterwards(self) -> Iterator[None]:
        """Remove the copy at the end. If that fails, `left` says why."""
        try:
            yield
        finally:
            try:
                self._remove()
            except RunbookError as error:
                self.left = f"{error.seen}; to remove it, type {error.next_step}"

    def end(self) -> None:
        """Remove a copy that was begun ahead and is still there. Afterwards none is started. Raises Inconclusive."""
        self._over = True
        self._remove()

    def _remove(self) -> None:
        with self._starting:
            if "project" in vars(self):
                self.project.remove()

    def begin(self, expected: Collection[str]) -> Self:
        """Start the copy before it is needed, if production is not at the `expected` revisions.

        It is not started if an earlier run kept the answer of the target's image, because that run may have kept the
        copy's results too. Errors are ignored here, because they recur when the copy is needed.
        """
        with suppress(RunbookError):
            known = migration_facts.answered_earlier(self._context, pinned_release(self._context))
            if not known and set(self.live.revisions) != set(expected):
                self._started = self._start()
        return self

    @cached_property
    def project(self) -> ScratchProject:
        """The project of the trial: the database, and the image with the migrations. Raises RunbookError."""
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
        """Production's schema, from which the copy is made. Raises as `live_schema` does."""
        return live_schema(self._context)

    def question(self) -> list[Any] | None:
        """Return all that decides the copy's results, except what is tried on it; None if any of it is unknown."""
        how = self.project.question()
        database = self._context.settings.database
        if how is None or database is None:
            return None
        names = [database.user, database.name, database.version_table, database.version_schema]
        return [_code(), how, names, self.live.question()]

    def at_its_beginning(self) -> tuple[ScratchDatabase, Beginning]:
        """Return the copy in the state of production's schema: started, reset, or started again if resetting fails."""
        if not (self._started and (self._untouched or self._is_again(self._started))):
            self._started = self._start()
        self._untouched = False
        return self._started.copy, self._started.beginning

    def for_bridge(self) -> tuple[ScratchDatabase, Beginning]:
        """Return the copy as a bridge would find the schema; before a deploy, after that release's migrations.

        Raises Inconclusive when these fail.
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
        """Make the copy again in the same server, and return whether it is as it was at first."""
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
    """A started copy, its state at the start, and the state outside the schema."""

    copy: ScratchDatabase
    beginning: Beginning
    around: Rows | None


def _read(told: list[str]) -> tuple[Beginning, Rows | None]:
    """Return the copy's beginning from its output of `_ASKED`, and the state outside the schema."""
    *beginning, around, path = told
    (named,) = rows_in(path) or [[]]
    return beginning_of(next(iter(named), ""), beginning), _rows_tried(around)


def beginning_of(path: str, told: Sequence[str]) -> Beginning:
    """Return a copy's beginning from its output of `BEGINNING`. `path` is the application's search path."""
    catalog, *tried = told
    return Beginning(path, tuple(whole_catalog_in(rows_in(catalog))), *map(_rows_tried, tried))


def _rows_tried(told: str) -> Rows | None:
    rows = rows_tried(told)
    return None if rows is None else tuple(sorted(map(tuple, rows)))


@cache
def _code() -> str:
    """Return a fingerprint of all code that decides how trials are made and judged."""
    folder = Path(runbook.__file__).parent
    found = hashlib.sha256(version("pglast").encode())
    for path in sorted(folder.rglob("*.py")):
        found.update(f"\n{path.relative_to(folder)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()
