"""Whether production could return from a release that is not deployed yet, by the real judge and its image."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.actions import Check
from runbook.chapters import before_deploy, migration_facts, strategy
from runbook.chapters.evidence import judged
from runbook.chapters.evidence.schema_trial import TrialResult
from runbook.chapters.startup.signs import Signs
from runbook.errors import CheckFailed, ReleaseNotFound, RunbookError
from runbook.incident.executor import Mode
from runbook.incident.options import Options
from runbook.migrations.image.report import Function, ImageReport, Migration, Problem, Shape, to_json
from runbook.release import ImageName, Release
from runbook.settings.database import DatabaseSettings, MigrationSettings
from tests.support.image_parts import image, step
from tests.support.incident_parts import incident
from tests.support.journal_schema import problems
from tests.support.notes import quarantine_of, quarantined
from tests.unit.chapters.test_handle_migrations import Database

ADDS = "ALTER TABLE orders ADD COLUMN discount integer;"
DROPS = "ALTER TABLE orders DROP COLUMN customer;"
BACK = "ALTER TABLE orders ADD COLUMN customer text;"
ODD = "CALL rearrange();"
COLUMN = {
    "name": "customer", "type": "TEXT", "nullable": False, "primary_key": False, "client_default": False,
    "server_default": False,
}  # fmt: skip
MAPPED = {"tables": [{"schema": None, "name": "orders", "columns": [COLUMN]}]}


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy of the schema is available for a trial."""
    monkeypatch.setattr(judged, "_trial", lambda *_: TrialResult(untried="no engine"))


def release(tag: str, digit: str) -> Release:
    return Release(tag, {"api": ImageName.parse(f"r.example/shop/api:{tag}")}, {"api": f"sha256:{digit * 64}"})


def added(up: str | None, down: str | None = BACK, shape: Shape = Shape.REAL) -> ImageReport:
    """Return the report of v2's image, which adds r2 to r1."""
    why = [Problem("upgrade", "it asks the database")] if up is None else []
    return image("r1", "r2", steps=[step("r2", shape)], up=up, down=down, problems=why)


def parts(folder: Path, told: ImageReport, **options: str) -> Any:
    """A production that runs v1 on r1, before v2 is deployed; v2's image reports `told`. Everything is recorded."""
    found = incident(folder, Mode.PLAN)
    found.record_fact("target", release("v1", "1").facts())
    found.record_fact("release to deploy", release("v2", "2").facts())
    found.record_fact("schema", ["r1"])
    found.record_fact("target migrations", to_json(image("r1")) | {"models": MAPPED})
    found.record_fact("failed migrations", to_json(told))
    settings = SimpleNamespace(
        database=DatabaseSettings(user="shop", name="shop"), migrations=MigrationSettings(service="api")
    )
    database = Database("r1", columns={"orders": {"customer"}})
    return SimpleNamespace(incident=found, options=Options(**options), settings=settings, database=database)


def went(check: Check) -> str:
    """Return the result of a check that must pass."""
    seen = check.observe()
    assert seen.ok, seen
    return seen.seen


@pytest.mark.parametrize(
    ("up", "options", "verdict", "decided"),
    [
        (ADDS, {}, "additive", "image-only"),
        (DROPS, {}, "breaking", "downgrade"),
        (ODD, {}, "review", None),
        (None, {}, "review", None),
        (ODD, {"verdict": "breaking", "because": "I read it"}, "breaking", "downgrade"),
    ],
)
def test_verdict_before_a_deploy(
    tmp_path: Path, up: str | None, options: dict[str, str], verdict: str, decided: str | None
) -> None:
    """The running release is judged against the schema that the release to deploy would leave."""
    context = parts(tmp_path, added(up), **options)
    check = strategy.record_decision(context)
    seen = check.observe()
    assert (context.incident.facts.verdict.verdict, context.incident.facts.strategy) == (verdict, decided)
    assert seen.ok is (decided is not None)
    assert "v2 would bring the database to r2; the target expects r1" in seen.seen
    assert "--forward-fix" not in check.next_step
    context.incident.journal.close()
    assert problems(context.incident.journal.path) == []


def test_release_without_migrations_is_unchanged(tmp_path: Path) -> None:
    """Without migrations the verdict is unchanged, and nothing would be lost."""
    context = parts(tmp_path, image("r1"))
    assert "unchanged" in went(strategy.record_decision(context))
    assert "the schema does not change" in went(before_deploy.could_start(context))
    assert went(before_deploy.loss_named(context)) == "no data"
    assert context.incident.facts.loss == ()


def test_loss_is_counted_now_by_table_and_cause(tmp_path: Path) -> None:
    """The losses from the upgrade and from the downgrade are named separately."""
    context = parts(tmp_path, added(DROPS + ADDS, "ALTER TABLE orders DROP COLUMN discount;" + BACK))
    went(strategy.record_decision(context))
    went(before_deploy.loss_named(context))
    assert context.incident.facts.loss == (
        "column orders.customer: 2 rows hold values; the migrations of v2 destroy them",
        "column orders.discount: an unknown number of rows hold values; the downgrade would destroy them",
    )


def test_additive_release_loses_nothing_by_a_downgrade(tmp_path: Path) -> None:
    """With an additive verdict no downgrade is run, so it causes no loss."""
    context = parts(tmp_path, added(ADDS, DROPS))
    went(strategy.record_decision(context))
    assert went(before_deploy.loss_named(context)) == "no data"


def test_range_that_cannot_be_read_is_an_unknown_loss(tmp_path: Path) -> None:
    """If the migrations cannot be read, the loss is unknown, also if a person decided on image-only."""
    told = image("r1", "r2", problems=[Problem("span", "two heads"), Problem("upgrade", "no range")])
    context = parts(tmp_path, told, verdict="additive", because="I read it")
    went(strategy.record_decision(context))
    assert "unknown loss (the SQL could not be read: no range)" in went(before_deploy.loss_named(context))


@pytest.mark.parametrize("shape", [Shape.EMPTY, Shape.MISSING, Shape.RAISES, Shape.CONDITIONAL, Shape.UNKNOWN])
def test_no_working_downgrade_is_no_way_back(tmp_path: Path, shape: Shape) -> None:
    """A breaking migration without a downgrade() that certainly works must not be deployed."""
    check = before_deploy.usable(parts(tmp_path, added(DROPS, shape=shape)))
    seen = check.observe()
    assert (seen.ok, seen.seen) == (False, f"downgrade() of r2 is {shape}")
    assert check.next_step.startswith("do not deploy it: write the downgrade()")
    assert not check.acceptable


def test_working_downgrade_is_a_way_back(tmp_path: Path) -> None:
    """The revisions that would be undone are named."""
    assert "in order: r2" in went(before_deploy.usable(parts(tmp_path, added(DROPS))))


@pytest.mark.parametrize(
    ("history", "ok"), [(("r1", "r2"), True), (("r1",), True), (("r0", "x1"), False), (("r0",), False)]
)
def test_release_must_continue_the_revision(tmp_path: Path, history: tuple[str, ...], ok: bool) -> None:  # noqa: FBT001
    """The history of the release to deploy must include the database's revision."""
    check = before_deploy.continues(parts(tmp_path, image(*history)))
    seen = check.observe()
    assert seen.ok is ok
    assert f"the database is at r1, the head of v2 is {history[-1]}" in seen.seen


def test_doubt_in_a_function_is_a_loss(tmp_path: Path) -> None:
    """A downgrade that queries the database is an unknown loss, because it may do more than its SQL."""
    reading = Function(Shape.REAL, (), reads_database=True, differs_offline=False)
    told = image("r1", "r2", steps=[Migration("r2", step("r2").upgrade, reading)], up=DROPS, down="")
    context = parts(tmp_path, told)
    went(strategy.record_decision(context))
    assert "downgrade() of r2 may do more than its SQL, or something else" in went(before_deploy.loss_named(context))


@pytest.mark.parametrize(
    ("signs", "ok", "words"),
    [
        (Signs(commands=("./start (alembic)",)), False, "api migrates in ./start (alembic)"),
        (Signs(code=("app.py",)), True, "the plan of a rollback will try it; api has code that can migrate: app.py"),
    ],
)
def test_target_that_migrates_at_start_could_not_come_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signs: Signs,
    ok: bool,  # noqa: FBT001 - a row of the table
    words: str,
) -> None:
    """A start command that migrates fails the check; mere code that can migrate is left to the rollback's plan."""
    context = parts(tmp_path, added(ADDS))
    context.production = SimpleNamespace(services=lambda _tag: {"api": {}}, rolled_back=("api",))
    monkeypatch.setattr("runbook.chapters.startup.check.signs_of", lambda *_: signs)
    seen = before_deploy.could_start(context).observe()
    assert (seen.ok, words in seen.seen) == (ok, True), seen


class Registry:
    """A registry that has v2 and v1."""

    host = "r.example"

    def digest(self, found: ImageName) -> str:
        return f"sha256:{found.tag.removeprefix('v') * 64}"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """A production that runs v1, with nothing on record."""
    running = SimpleNamespace(service="api", name="shop-api-1", image_id="sha256:1", image_name="r.example/shop/api:v1")
    production = SimpleNamespace(
        tag=lambda: "v1",
        images_with_tag=lambda tag=None: {"api": ImageName.parse(f"r.example/shop/api:{tag or 'v1'}")},
        application=lambda: [running],
        digests_of=lambda _image: [f"r.example/shop/api@sha256:{'1' * 64}"],
    )
    found = incident(tmp_path, Mode.PLAN)
    yield SimpleNamespace(
        incident=found, production=production, registry_of=lambda _image: Registry(), options=Options(release="v2")
    )
    found.journal.close()


def test_release_is_pinned_by_the_registry(fresh: Any) -> None:
    """The release to deploy gets the registry's digest, and the running release is the target."""
    went(before_deploy.note_running(fresh))
    assert went(before_deploy.pin(fresh)) == f"r.example/shop/api@sha256:{'2' * 64}"
    facts = fresh.incident.facts
    assert (facts.target.tag, facts.release_to_deploy.tag, facts.nothing_to_do) == ("v1", "v2", None)


def test_release_that_runs_already(fresh: Any) -> None:
    """If the release to deploy runs already, there is nothing to do."""
    fresh.options = Options(release="v1")
    went(before_deploy.note_running(fresh))
    went(before_deploy.pin(fresh))
    assert fresh.incident.facts.nothing_to_do == "v1 already runs on the digests of v1"


@pytest.mark.parametrize("deployed", ["v1", "v2"])
@pytest.mark.parametrize("today", ["sha256:" + "4" * 64, None])
def test_tag_that_was_moved_since_it_was_deployed_is_no_way_back(fresh: Any, deployed: str, today: str | None) -> None:
    """A running tag that the registry has moved or lost fails before the deploy, because a rollback would refuse it."""

    class Moved(Registry):
        def digest(self, found: ImageName) -> str:
            if found.tag == "v1" and today is None and deployed != "v1":
                raise ReleaseNotFound("the registry has no shop/api:v1", "")
            return (today or "sha256:" + "5" * 64) if found.tag == "v1" else super().digest(found)

    fresh.options, fresh.registry_of = Options(release=deployed), lambda _image: Moved()
    went(before_deploy.note_running(fresh))
    with pytest.raises(
        CheckFailed, match=r"v1 runs as sha256:1+, but the registry now has .*: a rollback to it would be refused"
    ):
        before_deploy.pin(fresh).observe()


def test_deploy_meanwhile_is_noticed(fresh: Any) -> None:
    """If another release runs than at the start of the run, the check fails."""
    went(before_deploy.note_running(fresh))
    fresh.production.digests_of = lambda _image: [f"r.example/shop/api@sha256:{'3' * 64}"]
    with pytest.raises(CheckFailed, match="v1 runs now, but v1 ran when this began"):
        before_deploy.note_running(fresh).observe()


def test_nothing_is_judged_without_a_release(fresh: Any) -> None:
    """If no release to deploy is pinned, a step fails and says so."""
    with pytest.raises(RunbookError, match="no release to deploy is pinned"):
        before_deploy.release_to_deploy(fresh)


def test_quarantined_release_is_refused(tmp_path: Path) -> None:
    """A release in quarantine is refused before it is deployed."""
    context = parts(tmp_path, added(ADDS))
    context.quarantine = quarantine_of(tmp_path, [quarantined(f"sha256:{'2' * 64}", "v2")])
    check = before_deploy.not_quarantined(context)
    seen = check.observe()
    assert not seen.ok
    assert "v2 failed in incident" in seen.seen
    assert check.next_step.startswith("do not deploy it")


def test_image_is_asked_for_the_range_between_both_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is asked for its head, then for the range from the target's head to it, and for nothing else."""
    context, asked = parts(tmp_path, added(ADDS)), []

    def answer(_context: Any, name: str, tag: str | None, span: tuple[str, str] | None) -> ImageReport:
        asked.append((name, tag, span))
        return added(ADDS) if span else image("r1", "r2")

    context.asked_images = {}
    monkeypatch.setattr(migration_facts, "_ask", answer)
    said = went(migration_facts.read_added(context, release("v2", "2")))
    assert said == "its head is r2; it adds r2"
    pinned = f"r.example/shop/api@sha256:{'2' * 64}"
    assert asked == [(pinned, "v2", None), (pinned, "v2", ("r1", "r2"))]
    assert json.loads(json.dumps(context.incident.facts.failed_migrations)) == to_json(added(ADDS))
