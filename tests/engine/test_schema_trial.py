"""The failed release's migrations on a copy of a small real production's schema, whatever its env.py queries."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.chapters.evidence import judged as evidence
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.evidence.schema_trial import TrialResult, tried
from runbook.incident.production_facts import Origin, ReleaseFact
from runbook.migrations.database import Database
from runbook.migrations.image.report import Problem, to_json
from runbook.migrations.kept import KeptAnswers
from runbook.migrations.verdict.findings import Source
from runbook.production.compose import Production
from runbook.release import ImageName, Release
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from runbook.shared_state.ledger import Ledger
from tests.engine.small_production import DEADLINES, Built, Here, left, raised
from tests.support.image_parts import image as knows
from tests.support.image_parts import step
from tests.support.incident_parts import incident
from tests.support.migrations_table import column
from tests.support.parts import Heard, host

DOCKERFILE = """
FROM {runtime}
WORKDIR /srv/app
COPY . .
USER nobody
CMD ["sleep", "3600"]
"""
COMPOSE = """
services:
  api:
    image: {repository}:${{IMAGE_TAG}}
    environment: {{DATABASE_URL: "postgresql://shop:${{PASSWORD}}@database.internal/shop"}}
    depends_on: [db]
  db:
    image: {db}
    container_name: {name}-database
    environment: {{POSTGRES_USER: shop, POSTGRES_DB: shop, POSTGRES_PASSWORD: "$PASSWORD"}}
    volumes: [data:/var/lib/postgresql]
    networks: {{default: {{aliases: [database.internal]}}}}
volumes: {{data: {{}}}}
"""
FIRST = "op.execute('CREATE TABLE orders (id serial PRIMARY KEY, number text NOT NULL, note text)')"
ADDS = "op.add_column('orders', sa.Column('c', sa.Integer()))"
TWO_TABLES = (
    "op.create_table('a', sa.Column('id', sa.Integer(), primary_key=True)); "
    "op.create_table('b', sa.Column('a_id', sa.Integer(), sa.ForeignKey('a.id')))"
)
ALL = "FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
# The second revision of each history, up and down. Its env.py always connects, so there is no offline SQL.
HISTORIES = {
    "adds": (ADDS, "op.drop_column('orders', 'c')"),
    "branch_adds": (ADDS, "op.drop_column('orders', 'c')"),
    "branch_drops": ("op.drop_column('orders', 'note')", "op.add_column('orders', sa.Column('note', sa.Text()))"),
    "asks": (
        "'c' in [each['name'] for each in sa.inspect(op.get_bind()).get_columns('orders')] or " + ADDS,
        "op.drop_column('orders', 'c')",
    ),
    "demands": (
        "op.add_column('orders', sa.Column('c', sa.Integer(), nullable=False))", "op.drop_column('orders', 'c')",
    ),
    "drops": ("op.drop_column('orders', 'note')", "op.add_column('orders', sa.Column('note', sa.Text()))"),
    "empty": ("op.drop_column('orders', 'note')", "pass"),
    "raises": ("op.drop_column('orders', 'note')", "raise NotImplementedError('never')"),
    "open": (
        "op.add_column('orders', sa.Column('c', sa.Integer())); op.create_index('ours', 'orders', ['c'])",
        "op.drop_column('orders', 'c'); op.execute('CREATE TABLE left_over (id int)')",
    ),
    "loops": (
        "[op.execute('UPDATE orders SET note = id') for _ in op.get_bind().execute(sa.text('TABLE orders'))]", "pass",
    ),
    "rule_of_a_partition": (
        "op.execute('ALTER TABLE orders_0 ADD CONSTRAINT c1 CHECK (number IS NULL) NOT VALID')",
        "op.drop_constraint('c1', 'orders_0')",
    ),
    "replaces_a_partition": (
        f"op.execute('ALTER TABLE orders DETACH PARTITION orders_0; CREATE TABLE orders_1 PARTITION OF orders {ALL}')",
        f"op.drop_table('orders_1'); op.execute('ALTER TABLE orders ATTACH PARTITION orders_0 {ALL}')",
    ),
    "index_of_partitions": ("op.create_index('ours', 'orders', ['note'])", "op.drop_index('ours')"),
    # Downgrades that do not undo the upgrade.
    "order": (
        TWO_TABLES,
        "op.drop_table('a'); op.drop_table('b')",
    ),
    "exists": (ADDS, "op.add_column('orders', sa.Column('note', sa.Text()))"),
    "casts": (
        "op.execute('ALTER TABLE orders ALTER note TYPE integer USING 1')",
        "op.alter_column('orders', 'note', type_=sa.LargeBinary())",
    ),
    "nameless": ("op.create_unique_constraint(None, 'orders', ['note'])", "op.drop_constraint(None, 'orders')"),
    "uncompilable": (ADDS, "op.add_column('orders', sa.Column('d', sa.types.NullType()))"),
    "misnamed": (ADDS, "op.drop_column('orders', 'cc')"),
    "half": (ADDS + "; op.create_index('ours', 'orders', ['note'])", "op.drop_index('ours')"),
    # Downgrades that do undo it.
    "index": ("op.create_index('ours', 'orders', ['note'])", "op.drop_index('ours')"),
    "typed": (
        "op.execute(\"CREATE TYPE mood AS ENUM ('glad')\"); op.execute('ALTER TABLE orders ADD feeling mood')",
        "op.drop_column('orders', 'feeling'); op.execute('DROP TYPE mood')",
    ),
    "renames": (
        "op.alter_column('orders', 'note', new_column_name='memo')",
        "op.alter_column('orders', 'memo', new_column_name='note')",
    ),
    "tables": (
        TWO_TABLES,
        "op.drop_table('b'); op.drop_table('a')",
    ),
    "checks": ("op.create_check_constraint('c1', 'orders', 'id > 0')", "op.drop_constraint('c1', 'orders')"),
    "loosens": (
        "op.alter_column('orders', 'number', nullable=True)", "op.alter_column('orders', 'number', nullable=False)",
    ),
    "sleeps": ("op.execute('SELECT pg_sleep(1)')", "op.execute('SELECT pg_sleep(60)')"),
}  # fmt: skip
PARTITIONED = (
    "op.execute('CREATE TABLE orders (id serial PRIMARY KEY, number text NOT NULL, note text) '"
    "'PARTITION BY HASH (id)'); "
    f"op.execute('CREATE TABLE orders_0 PARTITION OF orders {ALL}')"
)
# Histories next to a separate branch, at b001.
BRANCHED = {"branch_adds", "branch_drops"}
REVISION = """import sqlalchemy as sa
from alembic import op
revision, down_revision = {revision!r}, {down!r}
def upgrade():
    {up}
def downgrade():
    {back}
"""


def write_histories(folder: Path) -> None:
    """Write Alembic's configuration, with a section for each history."""
    sections = []
    for name, (up, back) in HISTORIES.items():
        place = folder / "histories" / name
        place.mkdir(parents=True)
        first = PARTITIONED if "partition" in name else FIRST
        (place / "0001.py").write_text(REVISION.format(revision="0001", down=None, up=first, back="pass"))
        (place / "0002.py").write_text(REVISION.format(revision="0002", down="0001", up=up, back=back))
        sections.append(
            f"[{name}]\nscript_location = %(here)s/migrations\nversion_locations = %(here)s/histories/{name}\n"
            "prepend_sys_path = %(here)s\n"
        )
        if name in BRANCHED:
            other = REVISION.format(revision="b001", down=None, up="op.execute('CREATE TABLE b (id int)')", back="pass")
            (place / "b001.py").write_text(other)
    (folder / "alembic.ini").write_text("".join(sections))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A production with an empty database."""
    with raised(tmp_path_factory, "schema-trial", DOCKERFILE, COMPOSE, write_histories) as found:
        yield found


FILLED = "INSERT INTO orders (number) VALUES ('kept')"


@contextmanager
def production(here: Here, folder: Path, history: str, at: str = "0002", **deadlines: Any) -> Iterator[Any]:
    """Return the context of a production at 0002 (or `at`) of a history. The target's head is 0001."""
    here.sql("DROP SCHEMA IF EXISTS audit CASCADE; DROP SCHEMA public CASCADE")
    here.sql("CREATE SCHEMA public; CREATE SCHEMA audit")
    beside = ("b001",) if history in BRANCHED else ()
    for revision in (at, *beside):
        here.compose("exec", "-T", "api", "python3", "-m", "alembic", "--name", history, "upgrade", revision)
    filled = "INSERT INTO orders (number, c) VALUES ('kept', 1)" if history == "demands" and at == "0002" else FILLED
    if history != "rule_of_a_partition":  # this history accepts no number
        here.sql(filled)
    name = f"trial-{uuid.uuid4().hex[:8]}"
    (folder / name).mkdir(parents=True)
    heard = Heard()
    found, there, limits = incident(folder / name), host(heard), DEADLINES.model_copy(update=deadlines)
    found.name = name
    project = Project.model_validate({"name": here.name, "directory": str(here.folder), "services": ["api"]})
    made = Production(there, project, limits)
    database = DatabaseSettings(user="shop", name="shop", version_table="versions", version_schema="audit")
    columns = [
        column("id", "INTEGER", primary_key=True, server_default=True, client_default=False, labels=None),
        column("number", "TEXT", server_default=False, client_default=False, labels=None),
        column("note", "TEXT", nullable=True, server_default=False, client_default=False, labels=None),
    ]
    unread = [Problem("upgrade", "env.py asks the database")]
    found.record_fact("schema", [at, *beside])
    target = knows(*beside, "0001")
    assert target.graph is not None
    target = replace(target, graph=replace(target.graph, heads=("0001", *beside)))
    found.record_fact("target migrations", to_json(target))
    assert found.facts.target_migrations is not None
    found.facts.target_migrations["models"] = {
        "tables": [{"schema": None, "name": "orders", "columns": columns, "partitioned": "partition" in history}]
    }
    found.record_fact("origin", Origin(tags=(here.image.partition(":")[2],)))
    found.record_fact("failed migrations", to_json(knows("0001", "0002", steps=[step("0002")], problems=unread)))
    parts: Any = SimpleNamespace(
        incident=found, host=there, production=made, ledger=Ledger(made), database=Database(made, database),
        kept=KeptAnswers(folder, found.journal.redactor), heard=heard,
        settings=SimpleNamespace(
            project=project, database=database, deadlines=limits, migrations=MigrationSettings(section=history)
        ),
    )  # fmt: skip
    before = here.sql("SELECT number FROM orders; SELECT version_num FROM audit.versions")
    try:
        yield parts
    finally:
        assert left(here) == ""
        assert here.sql("SELECT number FROM orders; SELECT version_num FROM audit.versions") == before


def judged(context: Any) -> evidence.Judged:
    """Return the result of all evidence, with a new copy."""
    copy = SchemaCopy(context)
    with copy.removed_afterwards():
        found = evidence.judged(context, copy)
    assert copy.left == ""
    return found


def before_deploy(here: Here, folder: Path, history: str, monkeypatch: pytest.MonkeyPatch) -> evidence.Judged:
    """Return the pre-deploy verdict on a release that goes from 0001 to 0002. No registry has its image."""
    monkeypatch.setattr(Release, "pinned", lambda _release, _service: here.image)
    with production(here, folder, history, at="0001") as context:
        fact = ReleaseFact.of(Built("v1", {"api": ImageName.parse(here.image)}, {"api": "sha256:" + "0" * 64}))
        context.incident.record_fact("release to deploy", fact)
        found = judged(context)
        assert found.trial is not None
        assert found.trial.untried == "", found.trial
        return found


@pytest.mark.parametrize(("history", "verdict"), [("asks", "additive"), ("drops", "breaking")])
def test_before_a_deploy(
    here: Here, tmp_path: Path, history: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release to deploy is upgraded and downgraded again on a copy of the live schema."""
    found = before_deploy(here, tmp_path, history, monkeypatch)
    assert found.assessment.verdict == verdict, "\n".join(map(repr, found.assessment.findings))
    assert "the round trip restored the schema" in found.sources[0]
    what_ran(found.trial, "note" if history == "drops" else "c", adds=history == "asks")


def what_ran(seen: TrialResult | None, column: str, *, adds: bool) -> None:
    """Assert that each direction has its own statements, and none of the other's."""
    assert seen is not None
    ways = (seen.upgrade_sql, seen.downgrade_sql)
    for added, sql in zip((adds, not adds), ways, strict=True):
        assert sql is not None
        assert [f"{word} COLUMN {column}" in sql for word in ("ADD", "DROP")] == [added, not added], sql


def trial(here: Here, folder: Path, history: str, **deadlines: Any) -> TrialResult:
    with production(here, folder, history, **deadlines) as context:
        return trial_in(context)


def trial_in(context: Any) -> TrialResult:
    copy = SchemaCopy(context)
    with copy.removed_afterwards():
        return tried(context, copy)


@pytest.mark.parametrize(
    ("history", "verdict", "words"),
    [
        ("adds", "additive", "does not select it"),
        ("asks", "additive", "does not select it"),
        ("demands", "breaking", "every INSERT by code that does not know it fails"),
        ("drops", "breaking", "it is dropped"),
        ("loops", "review", "the migrations read its rows"),
        ("branch_adds", "additive", "does not select it"),
        ("branch_drops", "breaking", "it is dropped"),
        ("rule_of_a_partition", "breaking", "the check refuses a NULL or a value that the target's code may write"),
        ("replaces_a_partition", "additive", "other partitions accept all of its rows; production has no such row now"),
        ("index_of_partitions", "additive", "refuses only values too long"),
    ],
)  # fmt: skip
def test_env_py_that_refuses_offline_is_decided(
    here: Here, tmp_path: Path, history: str, verdict: str, words: str
) -> None:
    """The SQL that the upgrade ran on the copy is judged, and the target's statements are tried there. Both agree."""
    with production(here, tmp_path, history) as context:
        found = judged(context)
    assert found.assessment.verdict == verdict, "\n".join(map(repr, found.assessment.findings))
    assert found.no_way_back == ""
    assert any(words in each for each in found.assessment.evidence)
    assert "no SQL could be read from the image; the SQL run on the copy decides: " in found.sources[1]
    sources = {each.source for each in found.assessment.findings}
    assert (Source.NOTHING in sources, Source.MODELS in sources) == (False, verdict == "breaking")


def test_what_postgres_says_is_told(here: Here, tmp_path: Path) -> None:
    """A refused statement of the target is reported with the server's message."""
    seen = trial(here, tmp_path, "demands")
    assert {each.state for each in seen.breaks} == {"23502"}
    assert 'null value in column "c" of relation "orders"' in seen.breaks[0].message


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ("empty", "the downgrade to 0001 changed nothing"),
        ("raises", "the downgrade to 0001 ended with exit code 1: NotImplementedError: never"),
        ("open", "table public.left_over is new"),
        ("order", "cannot drop table a because other objects depend on it"),
        ("exists", 'column "note" of relation "orders" already exists'),
        ("casts", 'column "note" cannot be cast automatically to type bytea'),
        ("nameless", "DROP CONSTRAINT"),
        ("uncompilable", "ended with exit code 1"),
        ("misnamed", 'column "cc" of relation "orders" does not exist'),
        ("half", 'column "c" of relation "orders" already exists'),
    ],
)
def test_a_way_back_that_is_none(here: Here, tmp_path: Path, history: str, words: str) -> None:
    """The exit code is not trusted. A name that is gone is breaking all the same."""
    seen = trial(here, tmp_path, history)
    assert words in seen.no_way_back
    assert bool(seen.breaks) is (history in {"empty", "raises"})


@pytest.mark.parametrize("history", ["adds", "drops", "index", "typed", "renames", "tables", "checks", "loosens"])
def test_a_way_back_that_leads_back(here: Here, tmp_path: Path, history: str) -> None:
    """None of these downgrades is reported as not undoing the upgrade."""
    seen = trial(here, tmp_path, history)
    assert (seen.untried, seen.no_way_back, seen.leads_nowhere) == ("", "", False)
    if history in {"adds", "drops"}:
        what_ran(seen, "note" if history == "drops" else "c", adds=history == "adds")


def test_a_trial_has_its_time(here: Here, tmp_path: Path) -> None:
    """A migration that takes too long gives no evidence, and nothing of it is left."""
    seen = trial(here, tmp_path, "sleeps", healthy=20.0)
    assert "did not end within" in seen.untried or "took more than 20 s" in seen.untried


def test_an_image_that_is_not_there(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's error is reported. It refutes no downgrade, nothing is left, and the answer is not kept."""
    monkeypatch.setattr(migration_facts, "failed_image", lambda _context: "rollback-runbook/never-built:v0")
    with production(here, tmp_path, "adds") as context:
        seen = trial_in(context)
        assert "No such image" in seen.untried
        assert (seen.upgrade_sql, seen.no_way_back, seen.breaks) == (None, "", ())
        assert trial_in(context).by == ""


@pytest.mark.parametrize("history", ["drops", "demands"])
def test_asked_once(here: Here, tmp_path: Path, history: str) -> None:
    """The same question gets the kept answer, without a copy. Another schema is tried again."""
    with production(here, tmp_path, history) as context:
        first = trial_in(context)
        begun = len(context.heard.began)
        again = trial_in(context)
        assert len(context.heard.began) == begun, "production alone is asked, by the engine"
        assert (first.by, again) == ("", replace(first, by=context.incident.name))
        here.sql("ALTER TABLE orders ADD COLUMN meanwhile integer")
        assert trial_in(context).by == ""
        here.sql("ALTER TABLE orders DROP COLUMN meanwhile")
        assert trial_in(context).by == context.incident.name


def test_doubt_is_not_kept(here: Here, tmp_path: Path) -> None:
    """A command that failed may succeed another time."""
    with production(here, tmp_path, "raises") as context:
        assert {trial_in(context).by, trial_in(context).by} == {""}
