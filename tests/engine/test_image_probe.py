"""The image probe on real images: current versions, Debian's old ones, and good and bad migration projects."""

import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

from rehearsal.docker_host.engine import Engine
from rehearsal.images.parts import BASE_IMAGE, SHARED, build_parts, plan_parts
from rehearsal.releases import HERE as REHEARSAL
from rehearsal.stages import Stages
from runbook.errors import Inconclusive
from runbook.migrations.image.contained import LABEL
from runbook.migrations.image.inside.graph import between
from runbook.migrations.image.mapped_models import ForeignKey, Rule, UniqueKey
from runbook.migrations.image.probe import ask_image
from runbook.migrations.image.report import ImageReport, Shape, to_json
from runbook.settings.database import MigrationSettings
from tests.support.campaigns import campaign
from tests.support.parts import Heard, host

PROJECTS = Path(__file__).parent / "migration_projects"
TEST_LABEL = "io.rollback-runbook.probe-test"
DEADLINE = 120.0  # seconds; this machine may be busy
SECRET = "open-sesame-9"

DOCKERFILE = """
ARG CURRENT
FROM {base} AS bare
LABEL {label}
COPY add-packages /usr/local/sbin/
RUN add-packages python3
FROM bare AS old
RUN add-packages python3-alembic python3-sqlalchemy
WORKDIR /srv
COPY projects .
FROM bare AS flask
RUN add-packages python3-flask-migrate python3-flask-sqlalchemy
WORKDIR /srv
COPY projects .
FROM {current} AS current
LABEL {label}
WORKDIR /srv
COPY projects .
FROM {current} AS stuck
LABEL {label}
ENV PYTHONPATH=/stuck
COPY stuck /stuck
FROM {current} AS loud
LABEL {label}
ENV PYTHONPATH=/loud
COPY loud /loud
FROM {current} AS louder
LABEL {label}
ENV PYTHONPATH=/louder
COPY louder /louder
FROM current AS rooted
USER root
FROM rooted AS closed
RUN chmod 0700 /srv/normal/migrations/versions
USER 1234
FROM current AS pyproject
WORKDIR /srv/pyproject
FROM rooted AS lone
WORKDIR /srv/pyproject
RUN rm alembic.ini
FROM {current} AS practice
LABEL {label}
WORKDIR /srv/app
COPY application .
"""


@dataclass(frozen=True)
class Images:
    """The images of this module, by stage of the Dockerfile."""

    tags: dict[str, str]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Images with all projects, on current and on old versions, built here and removed at the end."""
    engine = Engine(tmp_path_factory.mktemp("docker"))
    plan = plan_parts(engine)
    build_parts(engine, plan, "probe-test", Stages(print))
    token = uuid.uuid4().hex[:12]
    context = tmp_path_factory.mktemp("context")
    shutil.copytree(PROJECTS, context / "projects")
    shutil.copytree(REHEARSAL / "application", context / "application")
    shutil.copy(SHARED / "add-packages", context)
    (context / "stuck").mkdir()
    (context / "stuck" / "sitecustomize.py").write_text("import time\ntime.sleep(1000)\n")
    for name, end in (("loud", 1), ("louder", 2)):
        (context / name).mkdir()
        (context / name / "sitecustomize.py").write_text(f"import os\nwhile True: os.write({end}, b'x' * 65536)\n")
    for path in context.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name == "add-packages" else 0o644)
    text = DOCKERFILE.format(base=BASE_IMAGE, current=plan.tags["runtime"], label=f"{TEST_LABEL}={token}")
    (context / "Dockerfile").write_text(text)
    tags = {}
    try:
        for stage in (
            "bare",
            "old",
            "flask",
            "current",
            "loud",
            "louder",
            "rooted",
            "closed",
            "pyproject",
            "lone",
            "stuck",
            "practice",
        ):
            tag = f"rollback-runbook/probe-test-{stage}:{token}"
            engine.docker("build", "--force-rm", "--target", stage, "--tag", tag, str(context), timeout=600)
            tags[stage] = tag
        yield Images(tags)
    finally:
        if tags:
            engine.docker("image", "rm", "--force", *tags.values(), timeout=120)


@pytest.fixture(params=["current", pytest.param("old", marks=campaign)])
def image(images: Images, request: pytest.FixtureRequest) -> str:
    """The image with all projects: with current versions, and in the campaign also with old ones."""
    return images.tags[request.param]


def ask(  # noqa: PLR0913 - the parameters that tests vary
    image: str,
    project: str,
    span: tuple[str, str] | None = None,
    *,
    settings: MigrationSettings | None = None,
    environment: dict[str, str] | None = None,
    deadline: float = DEADLINE,
    heard: Heard | None = None,
) -> ImageReport:
    chosen = settings or MigrationSettings(config=f"{project}/alembic.ini")
    found = ask_image(host(heard), image, chosen, environment=environment or {}, span=span, deadline=deadline)
    assert containers(image) == []
    return found


def containers(image: str) -> list[str]:
    """Return the names of the containers that still probe `image`, running or not."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Image}} {{.Names}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in listed.stdout.splitlines() if line.startswith(f"{image} ")]


def problems(found: ImageReport) -> set[str]:
    return {problem.what for problem in found.problems}


@pytest.mark.parametrize("image", ["current", "old"], indirect=True)
def test_normal_project_is_read_wholly(image: str) -> None:
    """Versions, graph, both functions, SQL in both directions and the columns that the code maps are read correctly."""
    found = ask(image, "normal", ("0001", "0003"), environment={"PYTHONPATH": "/nowhere"})
    graph = found.read_graph()
    if "old" in image:
        assert graph.versions["sqlalchemy"] == "1.4.46"
        assert graph.versions["alembic"].startswith("1.8.1")
    else:
        assert graph.versions["sqlalchemy"].startswith("2.")
    assert (graph.heads, graph.bases) == (("0003",), ("0001",))
    assert [item.revision for item in graph.revisions] == ["0003", "0002", "0001"]
    assert graph.revisions[1].title == "The second, \N{LATIN SMALL LETTER U WITH DIAERESIS}mlaut and all."
    assert graph.revisions[1].file == "0002_second.py"
    assert [step.revision for step in found.steps] == ["0003", "0002"]
    assert all(step.undoes for step in found.steps)
    assert found.steps[0].downgrade.operations == ("drop_index",)
    assert found.upgrade is not None
    assert found.upgrade.sql is not None
    assert "-- Running upgrade 0001 -> 0002" in found.upgrade.sql
    assert found.upgrade.bodies == {
        "0002": "ALTER TABLE things ADD COLUMN label VARCHAR(20) DEFAULT 'none' NOT NULL;\n\n"
        "UPDATE things SET label='it''s';",
        "0003": "CREATE INDEX things_label ON things (label);",
    }
    assert found.downgrade is not None
    assert found.downgrade.bodies == {
        "0003": "DROP INDEX things_label;",
        "0002": "ALTER TABLE things DROP COLUMN label;",
    }
    assert problems(found) == {"models"}
    assert "things.odd has no name in PostgreSQL: ValueError: odd" in found.why("models")


def test_mapped_columns_say_who_fills_them(image: str) -> None:
    """Types are in PostgreSQL's words, names are the database's, columns say whether code or database fills them."""
    found = ask(image, "normal")
    assert found.span is None
    assert found.models is not None
    tables = {(table.schema, table.name): table for table in found.models.tables}
    assert set(tables) == {(None, "things"), (None, "keyed"), ("other", "links")}
    seen = {
        column.name: (column.type, column.nullable, column.client_default, column.server_default)
        for column in tables[None, "things"].columns
    }
    assert seen == {
        "id": ("INTEGER", False, False, True),
        "label": ("VARCHAR(20)", False, False, True),
        "in_the_database": ("NUMERIC(10, 2)", True, True, False),
        "made": ("TIMESTAMP WITH TIME ZONE", True, True, False),
        "colour": ("colour", True, False, False),
        "extra": ("JSONB", True, False, False),
        "tags": ("TEXT[]", True, False, False),
        "number": ("INTEGER", False, False, True),
        "identity": ("INTEGER", False, False, True),
        "twice": ("INTEGER", True, False, True),
        "filled": ("TEXT", False, False, True),
        "odd": ("unknown", True, False, False),
    }
    keys = [(column.primary_key, column.server_default) for column in tables["other", "links"].columns]
    assert keys == [(True, False), (True, False)]
    assert {table["schema"] for table in to_json(found)["models"]["tables"]} == {None, "other"}


def test_mapped_tables_tell_their_keys(image: str) -> None:
    """Foreign keys with their rules, unique keys of plain columns, enum labels and partitioning are reported."""
    found = ask(image, "normal")
    assert found.models is not None
    tables = {table.name: table for table in found.models.tables}
    links, keyed = tables["links"], tables["keyed"]
    assert links.foreign_keys == (
        ForeignKey(("thing",), "of_thing", "things", None, Rule.SET_NULL, Rule.CASCADE, points_to=("id",)),
    )
    assert links.uniques == (UniqueKey(("name",)),)
    assert keyed.foreign_keys == (
        ForeignKey(("thing", "name"), None, "links", "other", Rule.CASCADE, points_to=("thing", "name")),
    )
    assert keyed.uniques == (UniqueKey(("day", "mood"), "one_a_day"), UniqueKey(("plain",), "plain_key"))
    assert keyed.partitioned
    assert not links.partitioned
    labels = {name: column.labels for name, column in (tables["things"].by_name | keyed.by_name).items()}
    assert {name: found for name, found in labels.items() if found is not None} == {
        "colour": ("RED",), "mood": ("glad", "sad"), "plain": ("a", "b"),
    }  # fmt: skip


def test_merge_counts_both_branches(image: str) -> None:
    """A range over a merge has both branches. Revisions that `alembic downgrade` would leave behind are reported."""
    whole = ask(image, "merge", ("a0", "m1"))
    assert {step.revision for step in whole.steps} == {"m1", "m", "a1", "b1"}
    assert all(step.undoes for step in whole.steps), "a merge undoes nothing because it does nothing"
    assert whole.problems == ()
    half = ask(image, "merge", ("a1", "m1"))
    assert {step.revision for step in half.steps} == {"m1", "m", "b1"}
    assert half.upgrade is not None
    assert half.upgrade.sql is not None
    assert half.downgrade is not None
    assert half.downgrade.sql is None
    assert "`alembic downgrade a1` would not run exactly that range: b1" in half.why("downgrade")


def test_branches_and_dependencies(image: str) -> None:
    """Labels, several heads, and dependencies across branches are reported."""
    found = ask(image, "merge", ("x0", "x1"))
    by_name = {item.revision: item for item in found.read_graph().revisions}
    assert set(found.heads) == {"m1", "x1"}
    assert by_name["x1"].depends_on == ("a1",)
    assert by_name["x0"].labels == ("side",)
    assert by_name["m"].down == ("a1", "b1")
    assert {step.revision for step in found.steps} == {"x1", "a1", "a0"}
    assert not found.continues("a0"), "two heads: `upgrade head` would refuse"
    assert set(between(found.builds_upon, "a1", "m1")) == {"m1", "m", "b1"}


def test_shapes_of_downgrades(image: str) -> None:
    """Each way to write an empty downgrade is distinguished from a real one."""
    found = ask(image, "shapes", ("base", "s09"))
    assert {step.revision: step.downgrade.shape for step in found.steps} == {
        "s01": Shape.REAL,
        "s02": Shape.MISSING,
        "s03": Shape.EMPTY,
        "s04": Shape.EMPTY,
        "s05": Shape.EMPTY,
        "s06": Shape.RAISES,
        "s07": Shape.RAISES,
        "s08": Shape.CONDITIONAL,
        "s09": Shape.EMPTY,
    }
    assert [step.revision for step in found.steps if step.undoes] == ["s01"]
    assert found.upgrade is not None
    assert len(found.upgrade.bodies) == 9
    assert "has no attribute 'downgrade'" in found.why("downgrade")


@pytest.mark.parametrize(
    ("project", "span", "expected"),
    [
        ("broken_env", ("base", "0001"), {"models": "'DATABASE_URL'", "upgrade": "env.py, line 7", "downgrade": "Key"}),
        ("connects", ("base", "0001"), {"models": "but its target_metadata could be read",
                                        "upgrade": "OSError", "downgrade": "OSError"}),
        ("no_metadata", ("base", "0001"), {"models": "env.py gives Alembic no target_metadata"}),
        ("no_models", ("base", "0001"), {"models": "has no tables"}),
        ("asks", ("0001", "0002"), {"upgrade": "0002 depends on the database: SELECT count"}),
        ("asks", ("0002", "0003"), {"upgrade": "0003_walks.py, line 13"}),
        ("asks", ("0003", "0004"), {"upgrade": "upgrade() of 0004 checks for Alembic's offline mode"}),
        ("leaves", ("0001", "0002"), {"upgrade": "code 0 before it answered; its last line was: giving up",
                                      "downgrade": "it called sys.exit(0)"}),
        ("several_databases", ("base", "0001"), {"upgrade": "2 times", "downgrade": "2 times"}),
        ("normal", ("0003", "9999"), {"models": "odd", "span": "the image has no revision 9999"}),
        ("normal", ("0003", "0001"), {"models": "odd", "span": "revision 0003 is not an ancestor of 0001"}),
        ("twice", None, {"graph": "Revision 0002 is present more than once"}),
        ("torn", None, {"graph": "Revision 0002 referenced from"}),
        ("misspelt", None, {"graph": "SyntaxError"}),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_said(
    image: str, project: str, span: tuple[str, str] | None, expected: dict[str, str]
) -> None:
    """Each problem is reported with its place, affects nothing else, and leaves no incomplete SQL."""
    found = ask(image, project, span)
    assert problems(found) == set(expected)
    for what, words in expected.items():
        assert words in found.why(what)
        if what in ("upgrade", "downgrade"):
            sql = getattr(found, what)
            assert sql is None or sql.sql is None
    if "graph" in expected:
        assert found.models is not None, "models need no graph"
        with pytest.raises(Inconclusive, match=r"cannot be read: .*(0002|Syntax)"):
            found.knows("0001")


def test_what_depends_on_the_database_is_never_taken_for_sql(image: str) -> None:
    """Each way to query the database, or to work without it, is reported with its revision, also in another file."""
    found = ask(image, "doubts", ("0001", "0029"))
    assert found.upgrade is not None
    assert found.upgrade.sql is None
    doubted = {problem.why.split(" ", 1)[0] for problem in found.problems if problem.what == "upgrade"}
    assert "the" in doubted, "the type that may have existed"
    assert doubted - {"the"} == {f"{number:04}" for number in range(2, 30)} - {"0026"}


def test_what_asks_nothing_is_taken_for_sql(image: str) -> None:
    """Enum types in all forms, writes through the connection and errors that are raised again cause no doubt."""
    found = ask(image, "certain", ("0001", "0014"))
    assert found.problems == ()
    assert found.upgrade is not None
    assert found.upgrade.sql is not None
    for name in ("mood", "kind", "size", "otherwise", "public.one_two", "letters"):
        assert found.upgrade.sql.count(f"CREATE TYPE {name} AS ENUM") == 1
    assert found.downgrade is not None
    assert found.downgrade.sql is not None
    assert "DROP TYPE letters" in found.downgrade.sql


def test_tables_of_an_env_that_connects_are_known(image: str) -> None:
    """An env.py without an offline mode gives no SQL. Its tables are known, since they existed before it connected."""
    found = ask(image, "connects")
    assert found.models is not None
    assert [table.name for table in found.models.tables] == ["things"]


@pytest.mark.parametrize(
    ("stage", "project"), [("current", "module_level"), ("current", "secret_files"), ("flask", "flask_app")]
)
def test_what_env_py_takes_for_granted(images: Images, stage: str, project: str) -> None:
    """Metadata passed only online, secrets in files, a Flask application: everything is still read."""
    found = ask(images.tags[stage], project, ("base", "0001"), environment={"FLASK_APP": f"{project}/app.py"})
    assert found.problems == ()
    assert found.models is not None
    assert [table.name for table in found.models.tables] == ["things"]
    assert found.upgrade is not None
    assert "CREATE TABLE things" in (found.upgrade.sql or "")


def test_noise_is_not_an_answer(image: str) -> None:
    """Output of the code is no answer, even in the right format, even in the container's own output."""
    heard = Heard()
    found = ask(image, "noisy", ("base", "0001"), heard=heard)
    assert found.heads == ("0001",)
    assert found.upgrade is not None
    assert found.upgrade.bodies["0001"].startswith("CREATE TABLE things")
    assert found.problems == ()
    assert b'"fake"' in heard.ended[0].stdout + heard.ended[0].stderr, "the planted noise reached us"


def test_forks_do_not_answer_twice(image: str) -> None:
    """A migration that forks, or leaves a process behind, changes neither the answer nor its duration."""
    found = ask(image, "forks", ("0001", "0002"))
    assert found.upgrade is not None
    assert found.upgrade.sql is not None
    assert found.upgrade.bodies["0002"] == "ALTER TABLE things ADD COLUMN n INTEGER;"
    assert "0002 depends on the database: it starts a program" in found.why("downgrade")


def test_migration_that_never_ends_costs_its_own_sql(image: str) -> None:
    """The questions share the deadline. One that hangs, or prints forever, is reported, and the rest is answered."""
    began = time.monotonic()
    found = ask(image, "never_ends", ("0001", "0002"), deadline=40)
    assert time.monotonic() - began < 40
    assert found.heads == ("0002",)
    assert found.models is not None
    assert "its last line was: I wait for a lock" in found.why("upgrade")
    assert "its last line was: again" in found.why("downgrade")


def test_other_places_and_sections(image: str) -> None:
    """Another file, section and folders; several metadata collections. A table mapped twice is reported and joined."""
    found = ask(
        image,
        "elsewhere",
        ("0001", "0002"),
        settings=MigrationSettings(config="elsewhere/settings.ini", section="shop"),
    )
    assert found.heads == ("0002",)
    assert found.models is not None
    assert {(table.schema, table.name) for table in found.models.tables} == {(None, "things"), ("second", "others")}
    note = next(c for t in found.models.tables if t.name == "things" for c in t.columns if c.name == "note")
    assert not note.client_default
    assert "mapped twice" in found.why("models")


@pytest.mark.parametrize("section", ["alembic", "own"])
def test_revisions_in_several_folders(image: str, section: str) -> None:
    """Folders from the configuration, and folders that env.py gives to Alembic, are all read."""
    settings = MigrationSettings(config="places/alembic.ini", section=section)
    found = ask(image, "places", ("0001", "0002"), settings=settings)
    assert found.heads == ("0002",)
    assert found.upgrade is not None
    assert found.upgrade.bodies["0002"].startswith("CREATE TABLE others")
    assert found.problems == ()


@pytest.mark.parametrize("section", ["configured", "stops"])
def test_folders_that_only_env_py_knows_are_unknown(image: str, section: str) -> None:
    """If Alembic reads other folders than env.py names, or env.py ended before, no head is derived from the part."""
    settings = MigrationSettings(config="places/alembic.ini", section=section)
    try:
        found = ask(image, "places", settings=settings)
    except Inconclusive as error:
        assert "other revision folders" in str(error)  # noqa: PT017 - with models there is an answer, without them there is none
    else:
        assert found.graph is None
        assert "other revision folders" in found.why("graph")


@pytest.mark.parametrize("stage", ["pyproject", "lone"])
@pytest.mark.parametrize("config", ["alembic.ini", "pyproject.toml"])
def test_configuration_in_pyproject(images: Images, config: str, stage: str) -> None:
    """Alembic 1.16 and later reads both files, whichever is named or present. An older one says that it does not."""
    settings = MigrationSettings(config=config)
    found = ask(images.tags[stage], "", ("0001", "0002"), settings=settings)
    assert found.heads == ("0002",)
    assert found.problems == ()
    with pytest.raises(Inconclusive, match=r"does not read pyproject/pyproject\.toml: that needs Alembic 1\.16"):
        ask(images.tags["old"], "", settings=MigrationSettings(config="pyproject/pyproject.toml"))


def test_secrets_of_the_service_stay_secret(image: str) -> None:
    """The service's environment reaches env.py, but no argument, record or error message shows it."""
    heard = Heard()
    url = f"postgresql://shop:{SECRET}@db/shop"
    found = ask(image, "broken_env", ("base", "0001"), environment={"DATABASE_URL": url}, heard=heard)
    assert "RuntimeError: cannot reach postgresql://shop:[secret DATABASE_URL]@db/shop" in found.why("models")
    (done,) = heard.ended
    assert done.command.secret_output
    assert SECRET not in str(done.command)
    assert SECRET.encode() not in done.stderr


def test_image_that_never_answers_is_stopped(images: Images) -> None:
    """At the deadline the container is removed, not only the client."""
    heard = Heard()
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="did not answer within 6 s"):
        ask(images.tags["stuck"], "normal", deadline=6, heard=heard)
    assert time.monotonic() - began < 60
    assert containers(images.tags["stuck"]) == []
    assert heard.ended[-1].command.argv[:3] == ("docker", "rm", "--force")


@pytest.mark.parametrize("stage", ["loud", "louder"])
def test_image_that_prints_without_end_is_stopped(images: Images, stage: str) -> None:
    """An image's output ends soon at a limit, on both streams."""
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="printed more than 8 MiB and was stopped"):
        ask(images.tags[stage], "normal")
    assert time.monotonic() - began < 60


def test_image_without_rights(images: Images) -> None:
    """The probe runs as the image's user, and a folder that this user may not read is named. Nothing is left out."""
    with pytest.raises(Inconclusive, match="the image's user 1234 may not read /srv/normal/migrations/versions"):
        ask(images.tags["closed"], "normal")


def test_image_that_writes_where_it_lies(images: Images) -> None:
    """An application that logs into its own folder is probed again, with a writable file system."""
    heard = Heard()
    found = ask(images.tags["rooted"], "writes", heard=heard)
    assert found.models is not None
    assert found.problems == ()
    assert len([done for done in heard.ended if "run" in done.command.argv]) == 2


def test_interrupt_leaves_no_container(images: Images) -> None:
    """Ctrl-C while an image is probed also removes the container."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 4)
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(images.tags["stuck"], "normal")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert containers(images.tags["stuck"]) == []


@pytest.mark.parametrize(
    ("stage", "config", "python", "words"),
    [
        ("bare", "alembic.ini", "python3", r"cannot import Alembic: No module named 'alembic'"),
        ("current", "alembic.ini", "python3", r"there is no file alembic\.ini in /srv"),
        ("current", "normal/models.py", "python3", r"normal/models\.py, section \[alembic\]: "),
        ("current", "normal/alembic.ini", "python9", r"exit code 127: .*python9"),
        ("current", "normal/alembic.ini", "sh", r"exit code \d+"),
        ("no such stage", "alembic.ini", "python3", r"exit code 125: .*[Nn]o such image"),
    ],
)
def test_image_that_can_tell_nothing(images: Images, stage: str, config: str, python: str, words: str) -> None:
    """Without Alembic, its file, Python or the image, one line says which of them is missing."""
    tag = images.tags.get(stage, "rollback-runbook/probe-test-missing:none")
    with pytest.raises(Inconclusive, match=words):
        ask(tag, "", settings=MigrationSettings(config=config, python=python))
    assert containers(tag) == []


def test_practice_application(images: Images) -> None:
    """The practice application is read without any problem, as the user that it runs as."""
    found = ask(images.tags["practice"], "", ("base", "0003_heartbeats"), settings=MigrationSettings())
    assert found.problems == ()
    assert found.models is not None
    assert {table.name for table in found.models.tables} == {"orders", "daily_totals", "heartbeats"}
    assert found.continues("0001_orders")
    assert not found.continues("0004_unknown")
    assert between(found.builds_upon, "0001_orders", "0003_heartbeats") == ["0003_heartbeats", "0002_daily_totals"]
