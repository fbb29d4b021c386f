"""A database of a test PostgreSQL that stands in for a trial's copy of production's schema."""

import csv
import io
import re
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runbook.chapters.evidence.schema_copy import Beginning
from runbook.chapters.startup.scratch_database import carrying_out
from runbook.errors import Inconclusive
from runbook.migrations.bridge.definitions import DEFINITIONS
from runbook.migrations.bridge.shapes import SHAPES
from runbook.migrations.catalog import whole_catalog_of
from tests.engine.postgres_cluster import Cluster

_NOISE = re.compile(r"^(?:--.*|\\(?:un)?restrict .*|)$\n?", re.MULTILINE)


@dataclass
class Copy:
    """A database of the cluster that stands in for a trial's copy of production's schema."""

    server: Cluster
    name: str
    schema: str = ""

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        assert deadline is None or deadline > 0
        found = self._psql(f"\\set ON_ERROR_STOP on\nBEGIN;\n{query};\nROLLBACK;")
        assert found.returncode == 0, found.stderr
        return list(csv.reader(io.StringIO(found.stdout)))

    def told(self, *parts: str) -> list[str]:
        marker = uuid.uuid4().hex
        done = self._psql("".join(f"{part}\n\\echo {marker}\n" for part in parts))
        if done.returncode:
            raise Inconclusive(done.stderr, "")
        return done.stdout.split(f"{marker}\n")[:-1]

    def carry_out(self, statements: Sequence[str]) -> None:
        self.told(carrying_out(statements))

    def beginning(self) -> Beginning:
        """Return its state before anything is tried on it."""
        tried = (tuple(map(tuple, self.ask(query))) for query in (DEFINITIONS, SHAPES))
        return Beginning('"$user", public', tuple(whole_catalog_of(self)), *tried)

    def take_baseline(self) -> None:
        self.schema = self.dump()

    def changed_after(self, statements: Sequence[str]) -> str:
        self.carry_out(statements)
        return "" if self.dump() == self.schema else "changed the copy of the schema"

    def dump(self) -> str:
        argv = [str(self.server.programs / "pg_dump"), "-s", "-U", "postgres", "-h", str(self.server.socket), self.name]
        return _NOISE.sub("", subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)

    def content(self) -> str:
        """Return a hash over the rows of every table, under its current name."""
        tables = self.ask(
            "SELECT oid, oid::regclass FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text !~ '^pg_|^inf' ORDER BY 1"
        )
        hashed = "SELECT {}, md5(string_agg(found::text, '|' ORDER BY found::text)) FROM {} found"
        return "\n".join(":".join(self.ask(hashed.format(*each))[0]) for each in tables)

    def _psql(self, sql: str) -> subprocess.CompletedProcess[str]:
        argv = [str(self.server.programs / "psql"), "-X", "-q", "--csv", "-t", "-U", "postgres"]
        argv += ["-h", str(self.server.socket), "-d", self.name]
        return subprocess.run(argv, input=sql, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def database(server: Cluster, *scripts: str) -> Iterator[Copy]:
    name = f"bridge_{uuid.uuid4().hex[:8]}"
    server.must("postgres", f"CREATE DATABASE {name}")
    try:
        found = Copy(server, name)
        for each in scripts:
            server.must(name, each)
        yield found
    finally:
        server.must("postgres", f"DROP DATABASE {name}")
