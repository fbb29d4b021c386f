"""A fake production and engine for trials on a copy of the schema. Every command that is begun is recorded.

The target's code maps one table, `orders`, whose column `note` the failed release made NOT NULL.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runbook.chapters.evidence import judged as evidence
from runbook.chapters.evidence.bridging import Proposal, proposed
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.hosts.command import Command, Completed
from runbook.incident.production_facts import Origin
from runbook.migrations.bridge.definitions import DEFINITIONS
from runbook.migrations.bridge.shapes import SHAPES
from runbook.migrations.catalog import WHOLE_CATALOG
from runbook.migrations.database import ALL_COLUMNS, Database
from runbook.migrations.image.report import to_json
from runbook.migrations.kept import KeptAnswers
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.support.image_parts import image, step
from tests.support.incident_parts import DEADLINES, incident
from tests.support.migrations_table import column

UP = "ALTER TABLE orders ALTER COLUMN note SET NOT NULL"
DOWN = "ALTER TABLE orders ALTER COLUMN note DROP NOT NULL"
BEGINS = "LOG:  database system is ready to accept connections\n"
#: A partition from before the range, and its current replacements, which accept the same rows.
PART = ("partition", "public.parts_1", "public.parts FOR VALUES FROM (1) TO (9)")
PARTS = [("partition", f"public.parts_{at}", f"public.parts FOR VALUES FROM ({at}) TO ({at + 4})") for at in (1, 5)]
#: SQL of the range that only rows of production can decide.
POINTS = "CREATE TABLE lines (id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders (id))"
DUMP = b"\\restrict Rand0m\nCREATE TABLE public.orders (note text NOT NULL);\n\\unrestrict Rand0m\n"
NOT_NULL = ("not null", "public", "orders", "note", "", "SELECT * FROM public.orders WHERE note IS NULL")
OF_ORDERS = {"plain": True, "counts": False, "defaults": {}, "owner": "shop", "columns": [], "grants": []}
SHAPE = ("public", "orders", json.dumps(OF_ORDERS))


def text_of(*rows: tuple[str, ...]) -> str:
    """Return rows as psql prints them."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


class ScratchServer:
    """The host, its engine and the server of the copy. Tests may change the attributes between two trials."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.asked: list[str] = []
        self.roles, self.dump, self.revision = b"CREATE ROLE shop;\n", DUMP, "r2"
        self.images = {"sha256:api": "sha256:api", "sha256:db": "sha256:db"}
        self.services: dict[str, Any] = {"api": {"environment": {"URL": "x"}}, "db": {"environment": {}}}
        #: The exit code of the migration command. Its duration is not simulated.
        self.exit_code = 0
        self.refuses_shapes = self.loses_log = self.loses_beginning = self.lacks = False
        #: The listing of mounted files; None if they cannot be listed.
        self.mounted: str | None = "/srv/x f 1 1 \n"
        #: What a migration leaves in the server that a new copy does not reset.
        self.left_over = ""
        self.removal = 0
        #: Whether production's user owns the tables.
        self.owned = True
        self._stands = False
        self._not_null = True
        self._logs = False
        self._at = self._log = ""
        self._around = ""

    # -- the host -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return 1_000_000.0

    def run(self, command: Command) -> Completed:
        self.begun.append(str(command))
        code, out = self._did(command)
        return Completed(command, code, out.encode(), b"it said no" if code else b"", 0.1)

    def check(self, command: Command) -> Completed:
        done = self.run(command)
        assert done.exit_code == 0
        return done

    @property
    def engine(self) -> Any:
        def logs(_container: str, take: Any, *_: Any, **__: Any) -> bool:
            log = self._log.removeprefix(BEGINS) if self.loses_beginning else self._log
            take(b"" if self.loses_log else log.encode())
            return True

        inspected = {"Config": {"Env": ["PATH=/bin", "POSTGRES_USER=admin"]}}
        return SimpleNamespace(labelled=lambda *_: [], container=lambda *_: inspected, logs=logs)

    def _did(self, command: Command) -> tuple[int, str]:
        words = command.argv
        if words[:2] == ("docker", "compose"):
            if "up" in words:
                self._stands, self._around, self._log, self._logs = True, "", BEGINS, False
            if "down" in words:
                self._stands = False
                return self.removal, ""
            return 0, ""
        if words[0] == "find":
            listed = "-printf" in words
            return (1 if listed and self.mounted is None else 0), (self.mounted or "") if listed else ""
        assert self._stands
        if "alembic" in words:
            if self.exit_code == 0:
                self._migrate(words[-2], words[-1])
            return self.exit_code, ""
        if "psql" in words:
            return 0, "".join(self._printed((command.stdin or b"").decode()))
        return 0, f"the schema, NOT NULL {self._not_null}" if "pg_dump" in words else ""

    def _migrate(self, direction: str, revision: str) -> None:
        self._at, self._not_null = revision, direction == "upgrade"
        self._log += f"10.0.0.2 LOG:  statement: {UP if self._not_null else DOWN}\n" if self._logs else ""
        self._around = self.left_over

    def _printed(self, script: str) -> Iterator[str]:
        r"""Yield psql's output: at each `\echo`, the answer to the statements before it, then the echoed words."""
        asked = ""
        for line in script.splitlines():
            if not line.startswith("\\echo"):
                asked += f"{line}\n"
                continue
            yield self._answer(asked)
            refused = self._not_null and 'INSERT INTO "orders"' in asked and "NULL" in asked
            state = ("23502", "no NULL") if refused else ("00000", "")
            if "json_build_object" in asked and self.refuses_shapes:
                state = "42703", "no such column"
            told = line.removeprefix("\\echo ").replace(":SQLSTATE", state[0])
            yield told.replace(":LAST_ERROR_MESSAGE", state[1]) + "\n"
            asked = ""

    def _answer(self, asked: str) -> str:
        if "DROP NOT NULL" in asked or 'ALTER COLUMN "note" SET NOT NULL' in asked:
            self._not_null = "DROP NOT NULL" not in asked
        for statement in asked.splitlines():
            self._log += f"[local] LOG:  statement: {statement}\n" if self._logs else ""
            if "log_statement" in statement:
                self._logs = "'all'" in statement
        if 'INSERT INTO "alembic_version"' in asked:
            self._at, self._not_null = self.revision, True
        catalog = ("column", "public.orders.note", "text not null" if self._not_null else "text")
        known = {
            "SELECT 1 / rolsuper": "1\n",
            "SELECT count(*) FROM pg_database": "1\n",
            "SELECT version_num": f"{self._at}\n",
            "SHOW search_path": '"""$user"", public"\n',
            "pg_has_role": "t\n" if self.owned else "f\n",
            "pg_auth_members": f"{self._around}\n",
            ALL_COLUMNS: "" if self.lacks else "public,orders,note\n",
            WHOLE_CATALOG: text_of(*([PART] if self._at == "r1" else PARTS), catalog),
            DEFINITIONS: text_of(NOT_NULL),
            SHAPES: "" if self.refuses_shapes else text_of(SHAPE),
        }
        return "".join(answer for needle, answer in known.items() if needle in asked)

    # -- production -----------------------------------------------------------------------------------------------

    def context(self, folder: Path, name: str = "20251218T030000Z-shop-plan") -> Any:
        """Return the context for a run of that name. Kept answers are in `folder`."""
        (folder / name).mkdir(parents=True)
        found = incident(folder / name)
        found.name = name
        found.record_fact("schema", ["r2"])
        found.record_fact("origin", Origin(tags=("v2",)))
        models = [
            column("id", "INTEGER", primary_key=True, server_default=True, client_default=False, labels=None),
            column("note", "TEXT", nullable=True, server_default=False, client_default=False, labels=None),
        ]
        tables = {"tables": [{"schema": None, "name": "orders", "columns": models, "foreign_keys": []}]}
        found.record_fact("target migrations", to_json(image("r1")) | {"models": tables})
        failed = image("r1", "r2", steps=[step("r2")], up=f"{UP}; {POINTS};")
        found.record_fact("failed migrations", to_json(failed))
        settings = DatabaseSettings(user="shop", name="shop")
        containers = [
            SimpleNamespace(service=name, name=f"shop-{name}-1", image_id=f"sha256:{name}", state="running")
            for name in ("api", "db")
        ]
        production = SimpleNamespace(
            config=lambda _tag: {"services": self.services}, services=lambda: self.services,
            containers=lambda: containers, image_id=self.images.get, ask=self._dumped,
            images_with_tag=lambda _tag: {"api": SimpleNamespace(at=lambda _digest: "api:v2")},
            of_services=lambda _names: containers[:1],
        )  # fmt: skip
        return SimpleNamespace(
            incident=found, host=self, production=production, database=_Live(self, production, settings),
            kept=KeptAnswers(folder, found.journal.redactor),
            ledger=SimpleNamespace(snapshot_at=lambda *_: None),
            settings=SimpleNamespace(
                database=settings, migrations=MigrationSettings(service="api"), deadlines=DEADLINES,
                project=Project.model_validate({"name": "shop", "directory": str(folder), "services": ["api"]}),
            ),
        )  # fmt: skip

    def _dumped(self, call: Any, **options: Any) -> Completed:
        assert options["secret_output"]
        command = Command(call.command, 1)
        self.asked.append(str(command))
        return Completed(command, 0, self.dump if call.command[0] == "pg_dump" else self.roles, b"", 0.1)


class _Live(Database):
    """Production's database."""

    def __init__(self, there: ScratchServer, production: Any, settings: DatabaseSettings) -> None:
        super().__init__(production, settings)
        self._there = there

    def _asked(self, query: str, deadline: float | None) -> list[list[str]]:
        del deadline
        self._there.asked.append(query)
        if query == ALL_COLUMNS:
            return [["public", "orders", "note"]]
        if "version_num" in query:
            return [[self._there.revision]]
        return [["0"]]


def decided(context: Any, *, remembering: bool = True) -> tuple[evidence.Judged, Proposal, str]:
    """Return the verdict, the bridge, and why the copy could not be removed, as the strategy asks for them."""
    copy = context.incident.ahead.found(SchemaCopy, lambda: SchemaCopy(context))
    with context.database.remembering() if remembering else nullcontext(), copy.removed_afterwards():
        found = evidence.judged(context, copy)
        bridge = proposed(context, found, copy)
    return found, bridge, copy.left
