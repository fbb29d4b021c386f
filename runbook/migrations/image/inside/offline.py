"""Runs of a project's env.py in Alembic's offline mode, without a database, to capture its SQL."""

from __future__ import annotations

import functools
import io
import re
from types import TracebackType
from typing import Any, Callable  # noqa: UP035 - Python 3.8 cannot subscript the newer ones

from runbook.migrations.image.inside.isolation import ProbeError
from runbook.migrations.image.inside.stand_in import Watch
from runbook.migrations.image.inside.surroundings import application_of, offer_secrets

LONGEST_SQL = 2 * 1024 * 1024  # characters


class Text(io.StringIO):
    """The SQL that Alembic writes, up to a limit."""

    def write(self, text: str) -> int:
        """Add `text`. Raises ProbeError when the total exceeds the limit."""
        if self.tell() + len(text) > LONGEST_SQL:
            raise ProbeError(f"the SQL is longer than {LONGEST_SQL >> 20} Mi characters")
        return super().write(text)


class Offline:
    """One run of env.py: the SQL that it wrote, in total and by revision, and the metadata that it passed."""

    def __init__(self, config: Any, scripts: Any, dialect: str) -> None:
        self.config = config
        self.scripts = scripts
        self.dialect = dialect
        self.text = Text()
        self.bodies: dict[str, str] = {}
        self.metadata: list[Any] = []
        self.configured = 0
        self.runs = 0
        self.ended_well = False
        self.watch = Watch()

    def run(self, start: str | None, destination: str | None, steps: Callable[[Any], list[Any]]) -> None:
        """Run env.py. `steps` returns the migrations to run, given the revision to start from."""
        from alembic.runtime.environment import EnvironmentContext  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

        def choose(revision: Any, context: Any) -> list[Any]:
            self.runs += 1
            self.watch.take_over(context)
            chosen = steps(revision)
            for step in chosen:
                step.migration_fn = self._kept(step.revision.revision, step.migration_fn)
            return chosen

        environment = EnvironmentContext(
            self.config, self.scripts, fn=choose, as_sql=True, starting_rev=start, destination_rev=destination
        )
        configure = environment.configure

        def configure_without_database(*_connection: Any, **options: Any) -> Any:
            self.configured += 1
            self._take(options.get("target_metadata"))
            # Offline, Alembic uses only the URL's dialect, and a placeholder URL has none.
            for name in ("connection", "url", "dialect_name", "output_buffer"):
                options.pop(name, None)
            options.setdefault("literal_binds", True)
            return configure(dialect_name=self.dialect, output_buffer=self.text, **options)

        # On the instance, because every version of Alembic's `context` module looks there.
        environment.configure = configure_without_database
        offline_mode = environment.is_offline_mode

        def asked_for_mode() -> Any:
            self.watch.note("it checks for Alembic's offline mode", through_alembic=True)
            return offline_mode()

        environment.is_offline_mode = asked_for_mode
        offer_secrets()
        with application_of(self.scripts.dir), environment:
            module = self._env_py()
        self.ended_well = True
        if not self.metadata:
            self._take(getattr(module, "target_metadata", None))

    def _env_py(self) -> Any:
        """Run env.py as Alembic does, and return its module."""
        from alembic import util  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

        return util.load_python_file(self.scripts.dir, "env.py")

    def _take(self, metadata: Any) -> None:
        if metadata is not None:
            several = isinstance(metadata, (list, tuple, set, frozenset))
            self.metadata += [item for item in (metadata if several else [metadata]) if item not in self.metadata]

    def take_from_traceback(self, error: BaseException) -> bool:
        """Take `target_metadata` from the env.py that raised `error`. Return whether there is any metadata."""
        trace: TracebackType | None = error.__traceback__
        while trace is not None and not self.metadata:
            if trace.tb_frame.f_globals.get("__name__") == "env_py":
                self._take(trace.tb_frame.f_globals.get("target_metadata"))
            trace = trace.tb_next
        return bool(self.metadata)

    def _kept(self, revision: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)  # Alembic prints the function's name
        def running_revision(*arguments: Any, **options: Any) -> Any:
            begins = self.text.tell()
            with self.watch.running(revision):
                result = function(*arguments, **options)
            self.bodies[revision] = self.text.getvalue()[begins:].strip()
            return result

        return running_revision


def doubts(offline: Offline) -> list[str]:
    """Return, by revision, why the SQL of a run may not be everything that its migrations do."""
    watch = offline.watch
    found = [f"{revision} depends on the database: {what}" for revision, what in watch.questions.items()]
    if watch.maybe_existing and re.search(r"\bALTER\s+TYPE\b", offline.text.getvalue(), re.IGNORECASE):
        found.append(f"the type {watch.maybe_existing[0]} is altered here, and it is unknown whether it existed before")
    return found


def sql_of(offline: Offline, start: str | None, destination: str, *, up: bool) -> tuple[str, dict[str, str]]:
    """Return the SQL of a range, and the SQL of each of its revisions. Raises ProbeError when it is incomplete.

    The SQL of the range is as Alembic prints it, including the statements on `alembic_version`. `doubts` says what may
    be missing.
    """

    def steps(revision: Any) -> list[Any]:
        revisions = offline.scripts._upgrade_revs if up else offline.scripts._downgrade_revs  # noqa: SLF001 - `alembic upgrade` uses them
        return list(revisions(destination, revision))

    offline.run(start, destination, steps)
    if not offline.configured:
        raise ProbeError("env.py never called context.configure() in offline mode")
    if offline.runs != 1:
        raise ProbeError(f"env.py ran the migrations {offline.runs} times, not once")
    return offline.text.getvalue(), offline.bodies
