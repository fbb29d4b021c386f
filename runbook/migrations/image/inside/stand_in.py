"""A stand-in for the database connection that notes every question that a migration asks the database.

Without a database, Alembic writes SQL. That SQL is everything that the migration does only if the migration asked
nothing (neither the connection, nor whether there is one) and caught no error that a database could raise.
"""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
from contextlib import contextmanager
from types import FrameType
from typing import Any, Iterator  # noqa: UP035 - Python 3.8 needs these

from runbook.migrations.image.inside.function_shapes import swallows
from runbook.migrations.image.inside.isolation import place

_ASKS = re.compile(r"\s*(SELECT|WITH|SHOW|TABLE|VALUES|EXPLAIN)\b|.*\bRETURNING\b", re.IGNORECASE | re.DOTALL)
# The attributes that SQLAlchemy reads when it only writes SQL, and those that are the same for every database.
_WRITING = {"dialect", "execute", "engine", "name", "schema_for_object", "execution_options", "__class__"}
_SAME_EVERYWHERE = {"dialect", "execute", "engine", "name"}
# The attributes of a dialect that it learns from a database, or that ask one.
_LEARNT = re.compile(r"_?(has|get|do|is|on|load)_|_?connect|initialize|server_version|default_(schema|isolation)|_get_")
_DRIVERS = {"sqlalchemy", "alembic", "psycopg", "psycopg2", "psycopg_pool", "asyncpg", "pg8000", "MySQLdb", "pymysql"}
_STARTS = {
    "socket.connect": "it opens a network connection",
    "socket.getaddrinfo": "it looks up a host",
    "sqlite3.connect": "it opens a database",
    "subprocess.Popen": "it starts a program",
    "os.system": "it starts a program",
    "os.exec": "it starts a program",
    "os.posix_spawn": "it starts a program",
}
_STDLIB = sysconfig.get_path("stdlib")


class Watch:
    """The questions that the migrations of one run of env.py asked. `current` is the revision that is running."""

    def __init__(self) -> None:
        self.questions: dict[str, str] = {}  # the first question of each revision
        self.current = ""
        self.maybe_existing: list[str] = []  # types that are created or dropped with checkfirst
        self._hooked = False

    def note(self, what: str, *, through_alembic: bool = False) -> None:
        """Note a question, if a migration is running and Alembic is not the one that asks."""
        frame = _asker()
        while through_alembic and frame is not None and _top(frame) == "alembic":
            frame = frame.f_back
        if self.current and _top(frame) != "alembic":
            self._keep(what, frame)

    def _keep(self, what: str, frame: FrameType | None) -> None:
        where = place(frame.f_code.co_filename, frame.f_lineno) if frame is not None else ""
        self.questions.setdefault(self.current, " ".join(what.split())[:200] + where)

    @contextmanager
    def running(self, revision: str) -> Iterator[None]:
        """Watch the code of one revision."""
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._audit)
            self._watch_pools()
        before = sys.gettrace()
        self.current = revision
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)
            self.current = ""

    def take_over(self, context: Any) -> None:
        """Replace the connection and other members of Alembic's context, which only writes SQL, with stand-ins."""
        _register(self)
        stand_in = StandIn(self, context.connection)
        context.connection = context.impl.connection = stand_in
        watch = self

        def asked(name: str) -> Any:
            def read(owner: Any) -> Any:
                if _top(sys._getframe(1)) != "alembic":  # noqa: SLF001 - the only way to find the caller
                    if name == "dialect":
                        return WatchedDialect(watch, owner.__dict__[name])
                    watch.note("it checks for Alembic's offline mode")
                return owner.__dict__[name]

            return property(read, lambda owner, value: owner.__dict__.__setitem__(name, value))

        def heads(owner: Any, *arguments: Any) -> Any:
            watch.note("it asks for the database's revision", through_alembic=True)
            original: Any = type(owner).__mro__[1]
            return original.get_current_heads(owner, *arguments)

        for owner in (context, context.impl):
            members = {"as_sql": asked("as_sql"), "dialect": asked("dialect")}
            if owner is context:
                members["get_current_heads"] = heads
            kind: Any = type(owner)
            owner.__class__ = type(kind)(kind.__name__, (kind,), members)
        write = context.impl.static_output

        def written(text: str) -> None:
            self._look_for_handlers()
            write(text)

        context.impl.static_output = written

    def _look_for_handlers(self) -> None:
        """Note a place where the migration would catch a database error and do something else."""
        if not self.current:
            return
        frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the only way to find the caller
        while frame is not None and frame.f_code.co_name != "running_revision":
            if not _library(frame) and swallows(frame.f_code.co_filename, frame.f_lineno):
                self._keep("it catches database errors", frame)
            frame = frame.f_back

    def _trace(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return None if _library(frame) else self._trace_code

    def _trace_code(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "exception":
            kind, error, trace = argument
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            tops = {kind.__module__.partition(".")[0], _top(trace.tb_frame) if trace is not None else ""}
            if tops & _DRIVERS or issubclass(kind, (ConnectionError, TimeoutError)):
                self._keep(f"it ran into {kind.__name__}: {str(error)[:150]}", frame)
        return self._trace_code

    def _audit(self, event: str, _arguments: Any) -> None:
        if self.current and event in _STARTS:
            self.note(_STARTS[event])

    def _watch_pools(self) -> None:
        """Note connections that the application opens itself. Those made in C raise no audit event."""
        try:
            from sqlalchemy.pool import Pool  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

            self._wrap(Pool, "connect")
        except ImportError:
            pass
        for module, owner, name in (("psycopg2", "", "_connect"), ("psycopg", "Connection", "_connect_gen")):
            found = sys.modules.get(module)
            found = getattr(found, owner, None) if owner else found
            if found is not None and hasattr(found, name):
                self._wrap(found, name)

    def _wrap(self, owner: Any, name: str) -> None:
        function = getattr(owner, name)

        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            self.note("it opens its own database connection")
            return function(*arguments, **options)

        setattr(owner, name, watched)


class StandIn:
    """The result of `op.get_bind()`: it writes statements as they come, and notes everything else."""

    def __init__(self, watch: Watch, connection: Any) -> None:
        self.__dict__.update(_watch=watch, _connection=connection)

    @property  # type: ignore[misc]  # the class that is asked for, not ours
    def __class__(self) -> Any:
        self._noted("__class__")
        return type(self.__dict__["_connection"])

    def __getattr__(self, name: str) -> Any:
        self._noted(name)
        if name == "dialect" and _top(_asker()) != "alembic":
            return WatchedDialect(self.__dict__["_watch"], self.__dict__["_connection"].dialect)
        if name == "engine":
            return self
        return getattr(self.__dict__["_connection"], name)

    def _noted(self, name: str) -> None:
        direct = _top(sys._getframe(2)) != "sqlalchemy"  # noqa: SLF001 - the only way to find the caller
        if name not in (_SAME_EVERYWHERE if direct else _WRITING):
            self.__dict__["_watch"].note(f"it asks the connection for {name}")

    def _special(self, *_arguments: Any, **_options: Any) -> Any:
        self.__dict__["_watch"].note("it uses the connection")
        raise AttributeError("there is no database to answer")

    __enter__ = __iter__ = __call__ = __getitem__ = __contains__ = _special

    def __exit__(self, *_: object) -> None:
        """Never called, because `__enter__` raises."""

    def execute(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        """Write a statement, and note it if it is a question."""
        watch = self.__dict__["_watch"]
        # DDL is never a question.
        ddl = getattr(statement, "__visit_name__", "").startswith(("create_", "drop_", "ddl"))
        words = type(statement).__name__ if ddl else str(statement)
        if getattr(statement, "is_select", False) or (not ddl and _ASKS.match(words)):
            watch.note(words)
        self.__dict__["_connection"].execute(statement, *arguments, **options)
        return NoResult(watch)

    def _run_ddl_visitor(self, visitor: Any, element: Any, **options: Any) -> None:
        watch = self.__dict__["_watch"]
        if options.pop("checkfirst", False):
            if getattr(element, "__visit_name__", "").lower() in ("enum", "domain"):
                watch.maybe_existing.append(str(element.name))
            else:
                watch.note("it asks which tables exist")
        options.pop("connection", None)
        visitor(self.__dict__["_connection"].dialect, self, checkfirst=False, **options).traverse_single(element)


class NoResult:
    """The result of a statement that was only written. Reading it is a question."""

    def __init__(self, watch: Watch) -> None:
        self.__dict__["_watch"] = watch

    def _asked(self, *_arguments: Any) -> Any:
        self.__dict__["_watch"].note("it reads the result of a statement")
        raise AttributeError("there is no database to answer")

    __getattr__ = __iter__ = __next__ = __getitem__ = __len__ = __enter__ = _asked

    def __exit__(self, *_: object) -> None:
        """Never called, because `__enter__` raises."""

    def __bool__(self) -> bool:
        """Return False: there is no result."""
        self.__dict__["_watch"].note("it reads the result of a statement")
        return False


class WatchedDialect:
    """A dialect that notes questions about the database. It can write SQL without one."""

    def __init__(self, watch: Watch, dialect: Any) -> None:
        self.__dict__.update(_watch=watch, _dialect=dialect)

    @property  # type: ignore[misc]  # the class that is asked for, not ours
    def __class__(self) -> Any:
        return type(self.__dict__["_dialect"])

    def __getattr__(self, name: str) -> Any:
        direct = _top(sys._getframe(1)) != "sqlalchemy"  # noqa: SLF001 - the only way to find the caller
        if (direct and name not in ("name", "paramstyle", "identifier_preparer")) or _LEARNT.match(name):
            self.__dict__["_watch"].note(f"it asks the dialect for {name}")
        return getattr(self.__dict__["_dialect"], name)


def _asker() -> FrameType | None:
    """Return the frame that asks: the innermost one outside SQLAlchemy, the standard library and this project."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to find the caller
    while frame is not None and (
        _top(frame) in ("sqlalchemy", "runbook") or frame.f_code.co_filename.startswith(_STDLIB)
    ):
        if "-packages" in frame.f_code.co_filename and _top(frame) not in ("sqlalchemy", "runbook"):
            break
        frame = frame.f_back
    return frame


def _top(frame: FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] if frame is not None else ""


@functools.lru_cache(maxsize=None)  # noqa: UP033 - Python 3.8 has no functools.cache
def _is_library(top: str, path: str) -> bool:
    if top in ("sqlalchemy", "alembic", "mako", "runbook") or path.startswith("<"):
        return True
    return path.startswith(_STDLIB) and "-packages" not in path


def _library(frame: FrameType) -> bool:
    return _is_library(_top(frame), frame.f_code.co_filename)


def _register(watch: Watch) -> None:
    """Make `sqlalchemy.inspect` of a stand-in a question too: it looks only at the type."""
    from sqlalchemy import inspection  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

    def inspect(_stand_in: Any) -> None:
        watch.note("it inspects the database")

    inspection._registrars[StandIn] = inspect  # noqa: SLF001 - SQLAlchemy's decorator rejects a second registration
