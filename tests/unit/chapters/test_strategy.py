"""The strategy, and what must be true for the api to be ready afterwards."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import migration_facts, strategy
from runbook.chapters.evidence import bridging
from runbook.chapters.evidence.bridging import Proposal
from runbook.errors import Inconclusive, TargetError
from runbook.incident.executor import Mode
from runbook.incident.facts import Facts
from runbook.incident.options import Options
from runbook.incident.schema_facts import Bridge
from runbook.migrations.image.report import ImageReport, Problem, to_json
from runbook.settings.application import HealthSettings
from runbook.settings.database import DatabaseSettings, MigrationSettings
from tests.support.image_parts import image, step
from tests.support.incident_facts import BRIDGE
from tests.support.incident_parts import incident
from tests.unit.chapters.test_handle_migrations import Database

ADDS = "ALTER TABLE orders ADD COLUMN discount integer;"
DROPS = "ALTER TABLE orders DROP COLUMN customer;"
ODD = "CALL rearrange();"
BEHIND = ("ready", "migrations_current")


def context(
    folder: Path,
    up: str | None = ADDS,
    *,
    at: tuple[str, ...] = ("r2",),
    options: Options | None = None,
    target: ImageReport | None = None,
) -> Any:
    """The parts of a production at r2, with r1 as the target's head and `up` as the SQL between them."""
    found = incident(folder)
    found.record_fact("schema", list(at))
    found.record_fact("target migrations", to_json(target or image("r1")))
    problems = [] if up else [Problem("upgrade", "it asks the database")]
    found.record_fact("failed migrations", to_json(image("r1", "r2", steps=[step("r2")], up=up, problems=problems)))
    database = DatabaseSettings(user="shop", name="shop")
    return SimpleNamespace(
        incident=found,
        options=options or Options(),
        database=Database(*at),
        ledger=SimpleNamespace(snapshot_at=lambda *_: None),
        settings=SimpleNamespace(database=database, migrations=MigrationSettings()),
    )


@pytest.mark.parametrize(
    ("up", "verdict", "decided"),
    [(ADDS, "additive", "image-only"), (ODD, "review", None), (None, "review", None)],
)
def test_verdict_decides_the_way(tmp_path: Path, up: str | None, verdict: str, decided: str | None) -> None:
    """An additive verdict gives image-only; SQL that cannot be judged or read gives no strategy."""
    parts = context(tmp_path, up)
    seen = strategy.record_decision(parts).observe()
    assert parts.incident.facts.verdict.verdict == verdict
    assert parts.incident.facts.strategy == decided
    assert (seen.ok, seen.final) == (decided is not None, True)


def test_breaking_goes_by_downgrade(tmp_path: Path) -> None:
    """A dropped column that the target's code maps gives the strategy downgrade."""
    column = {"name": "customer", "type": "TEXT", "nullable": False, "primary_key": False}
    models = {"tables": [{"schema": None, "name": "orders", "columns": [column]}]}
    parts = context(tmp_path, DROPS)
    for flag in ("client_default", "server_default"):
        column[flag] = False
    parts.incident.facts.target_migrations["models"] = models
    assert strategy.record_decision(parts).observe().ok
    assert parts.incident.facts.strategy == "downgrade"


def decision(parts: Any) -> dict[str, Any]:
    """Return the newest decision on record."""
    return next(entry for entry in reversed(parts.incident.journal.entries) if entry["kind"] == "decision")


def test_sql_that_decided_is_on_record(tmp_path: Path) -> None:
    """The statements are recorded with revision and rule, the one that decided the verdict first."""
    first = "-- Running upgrade r1 -> r1a\n\nALTER TABLE orders ADD COLUMN a integer;\n\n"
    parts = context(tmp_path, f"BEGIN;\n\n{first}-- Running upgrade r1a -> r2\n\nCALL x();\n\nCOMMIT;\n")
    strategy.record_decision(parts).observe()
    found = [(each["verdict"], each["revision"], each["sql"]) for each in decision(parts)["findings"]]
    assert found == [("review", "r2", "CALL x()"), ("additive", "r1a", "ALTER TABLE orders ADD COLUMN a integer")]
    assert all(each["rule"] for each in decision(parts)["findings"])


@pytest.mark.parametrize("at", [("r1",), ("r2",)])
def test_no_sql_no_findings(tmp_path: Path, at: tuple[str, ...]) -> None:
    """If nothing is judged or nothing could be read, no findings are recorded."""
    parts = context(tmp_path, None, at=at)
    strategy.record_decision(parts).observe()
    assert "findings" not in decision(parts)


def test_database_where_the_target_expects_it_is_unchanged(tmp_path: Path) -> None:
    """A database at the target's head gives unchanged and image-only."""
    parts = context(tmp_path, at=("r1",))
    assert strategy.record_decision(parts).observe().ok
    assert (parts.incident.facts.verdict.verdict, parts.incident.facts.strategy) == ("unchanged", "image-only")


@pytest.mark.parametrize(("word", "decided"), [("additive", "image-only"), ("breaking", "downgrade")])
def test_human_decides_where_the_runbook_cannot(tmp_path: Path, word: str, decided: str) -> None:
    """--verdict with --because decides a review, and the reason is first in the evidence."""
    parts = context(tmp_path, ODD, options=Options(verdict=word, because="I read it"))
    assert strategy.record_decision(parts).observe().ok
    assert parts.incident.facts.strategy == decided
    assert parts.incident.facts.verdict.evidence[0] == "decided by a human: I read it"


def test_human_cannot_overrule_what_is_known(tmp_path: Path) -> None:
    """--verdict has no effect unless the runbook's verdict is review."""
    parts = context(tmp_path, ADDS, options=Options(verdict="breaking", because="I feel so"))
    strategy.record_decision(parts).observe()
    assert parts.incident.facts.verdict.verdict == "additive"


@pytest.mark.parametrize(("verdict", "because"), [("additive", None), ("breaking", "  "), ("fine", "I know")])
def test_verdict_needs_a_known_word_and_a_reason(verdict: str, because: str | None) -> None:
    """A --verdict without a reason, or with an unknown word, is refused."""
    with pytest.raises(TargetError, match=f"--verdict {verdict}"):
        strategy.checked_verdict(verdict, because)


@pytest.mark.parametrize(("history", "ok"), [(("r1", "r2", "r3"), True), (("r1", "x2"), False), (("r1",), False)])
def test_forward_fix_must_continue(tmp_path: Path, history: tuple[str, ...], ok: bool) -> None:  # noqa: FBT001
    """A forward-fix is possible only if its migrations continue the database's revision."""
    parts = context(tmp_path, options=Options(forward_fix="v3"), target=image(*history))
    assert strategy.record_decision(parts).observe().ok is ok
    assert parts.incident.facts.strategy == ("forward-fix" if ok else None)


@pytest.mark.parametrize("there", [True, False])
def test_bridge_that_a_person_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:  # noqa: FBT001
    """A chosen bridge becomes the strategy with its reason; if none was found, the run stops and says why."""
    bridge = Bridge.model_validate(BRIDGE["bridge"])
    found = Proposal(bridge) if there else Proposal(why_not="rows were changed")
    monkeypatch.setattr(bridging, "proposed", lambda *_: found)
    parts = context(tmp_path, ODD, options=Options(strategy="bridge", because="no note may be lost"))
    seen = strategy.record_decision(parts).observe()
    assert (seen.ok, parts.incident.facts.strategy) == (there, "bridge" if there else None)
    assert (parts.incident.facts.bridge is not None) is there
    told = decision(parts)
    assert (told["question"], told["option"]) == ("bridge", ["--strategy", "bridge"])
    assert told["evidence"][0] == "decided by a human: no note may be lost"
    assert ("NOT NULL note of orders is lifted" if there else "rows were changed") in seen.seen


def test_bridge_is_proposed_and_never_taken_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --strategy a possible bridge is only recorded, and the verdict decides the strategy."""
    monkeypatch.setattr(bridging, "proposed", lambda *_: Proposal(Bridge.model_validate(BRIDGE["bridge"])))
    parts = context(tmp_path, ODD, options=Options(verdict="breaking", because="I read it"))
    assert strategy.record_decision(parts).observe().ok
    assert parts.incident.facts.strategy == "downgrade"
    assert parts.incident.facts.bridge.told == ("NOT NULL note of orders is lifted",)


def test_nothing_to_bridge(tmp_path: Path) -> None:
    """If the target can use the schema, the strategy is image-only, even if a bridge was chosen."""
    parts = context(tmp_path, ADDS, options=Options(strategy="bridge", because="to be safe"))
    assert strategy.record_decision(parts).observe().ok
    assert parts.incident.facts.strategy == "image-only"


class Ledger:
    """A ledger on which v1 was validated with r2."""

    def validated_with(self, tag: str, at: tuple[str, ...]) -> bool:
        return (tag, at) == ("v1", ("r2",))


def ready_tools(folder: Path, at: str, *, tag: str = "v1", mode: Mode = Mode.EXECUTE) -> Any:
    """The parts of a production that runs `tag`, with its database at `at`."""
    return SimpleNamespace(
        incident=incident(folder, mode),
        database=SimpleNamespace(revisions=lambda: (at,)),
        production=SimpleNamespace(tag=lambda: tag),
        host=SimpleNamespace(retry=lambda ask: ask()),
        ledger=Ledger(),
        settings=SimpleNamespace(health=HealthSettings(), migrations=MigrationSettings(), database=True),
    )


@pytest.fixture
def _runs_r1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running image knows r0 and r1."""
    monkeypatch.setattr(migration_facts, "ask_running", lambda _tools: image("r0", "r1"))


@pytest.mark.usefixtures("_runs_r1")
@pytest.mark.parametrize(
    ("at", "tag", "verdict", "may_be_false"),
    [
        pytest.param("r1", "v1", None, (), id="at its head"),
        pytest.param("r0", "v1", "additive", (), id="older than the image"),
        pytest.param("r2", "v9", "additive", BEHIND, id="newer, judged additive"),
        pytest.param("r2", "v1", None, BEHIND, id="newer, passed with it before"),
        pytest.param("r2", "v9", None, (), id="newer, and nothing says that it can live with it"),
        pytest.param("r2", "v9", "breaking", (), id="newer, judged breaking"),
    ],
)
def test_rule_of_readiness(
    tmp_path: Path, at: str, tag: str, verdict: str | None, may_be_false: tuple[str, ...]
) -> None:
    """`migrations_current` may be false only on a newer schema with which the image is known to work."""
    parts = ready_tools(tmp_path, at, tag=tag)
    if verdict:
        parts.incident.facts.put("verdict", {"verdict": verdict})
    ruled, evidence = strategy.readiness_rule(parts)
    assert ruled == may_be_false
    assert evidence[0] == f"the database is at {at}; the running image's head is r1"


@pytest.mark.usefixtures("_runs_r1")
def test_rule_goes_on_record(tmp_path: Path) -> None:
    """The record has the parts that may be false, and the evidence."""
    parts = ready_tools(tmp_path, "r2", tag="v1")
    parts.health = SimpleNamespace(check_ready=lambda may_be_false: may_be_false)
    assert strategy.ready(parts) == BEHIND
    decision = parts.incident.journal.path.read_text()
    assert "all but ready, migrations_current" in decision
    assert "the database is at r2; the running image's head is r1" in decision


def test_target_beside_the_failed_release_is_asked_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While both releases run, the target's readiness rule comes from the target's own image."""
    monkeypatch.setattr(migration_facts, "ask_running", lambda _tools: image("r1", "r2"))
    parts = ready_tools(tmp_path, "r2", tag="v9")
    parts.incident.facts.put("verdict", {"verdict": "additive"})
    parts.incident.record_fact("schema", ["r2"])
    parts.incident.record_fact("target migrations", to_json(image("r1")))
    parts.incident.record_fact("failed migrations", None)
    assert strategy.readiness_rule(parts)[0] == ()
    health: Any = SimpleNamespace(check_ready=lambda may_be_false: may_be_false)
    assert strategy.ready(parts, health) == BEHIND


def test_rule_is_strict_where_the_image_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the image does not report its migrations, all parts must be true, and the record says why."""

    def silent(_tools: Any) -> None:
        raise Inconclusive("there is no alembic.ini", "check it")

    monkeypatch.setattr(migration_facts, "ask_running", silent)
    parts = ready_tools(tmp_path, "r2")
    assert strategy.readiness_rule(parts) == ((), ["unknown whether the schema is newer: there is no alembic.ini"])


def test_running_image_is_asked_once_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each running image is asked once per run, because asking takes seconds behind the closed gate."""
    asked: list[str] = []

    def answer(_context: Any, name: str, _tag: None, _span: None) -> ImageReport:
        asked.append(name)
        return image("r0", "r1")

    monkeypatch.setattr(migration_facts, "_ask", answer)
    runs = SimpleNamespace(image_id="sha256:a")
    parts: Any = SimpleNamespace(
        production=SimpleNamespace(of_services=lambda _services: [runs]),
        settings=SimpleNamespace(migrations=MigrationSettings(), database=True),
        incident=SimpleNamespace(facts=Facts()),
        asked_images={},
    )
    for name in ("sha256:a", "sha256:a", "sha256:b"):
        runs.image_id = name
        assert migration_facts.ask_running(parts).knows("r1")
    assert asked == ["sha256:a", "sha256:b"]


@pytest.mark.parametrize(("runs", "asked"), [("sha256:t", []), ("sha256:f", ["sha256:f"])], ids=["target", "another"])
def test_target_is_not_asked_again_behind_the_gate(
    monkeypatch: pytest.MonkeyPatch, runs: str, asked: list[str]
) -> None:
    """The pinned image was asked in chapter 1 and is not asked again; any other running image is."""
    found: list[str] = []

    def answer(_context: Any, name: str, _tag: None, _span: None) -> ImageReport:
        found.append(name)
        return image("r0", "r2")

    monkeypatch.setattr(migration_facts, "_ask", answer)
    reference = "r.example/shop/api"
    target = {"tag": "v1", "images": {"api": f"{reference}:v1"}, "digests": {"api": f"sha256:{'1' * 64}"}}
    facts = {"target": target, "schema": ["r0"], "target migrations": to_json(image("r0", "r1"))}
    parts: Any = SimpleNamespace(
        production=SimpleNamespace(
            of_services=lambda _services: [SimpleNamespace(image_id=runs)],
            image_id=lambda pinned: "sha256:t" if pinned == f"{reference}@sha256:{'1' * 64}" else "",
        ),
        settings=SimpleNamespace(migrations=MigrationSettings(), database=True),
        incident=SimpleNamespace(facts=Facts.model_validate(facts)),
        asked_images={},
    )
    assert migration_facts.ask_running(parts).knows("r1") is (runs == "sha256:t")
    assert found == asked


def test_plan_states_the_rule_that_its_way_would_have(tmp_path: Path) -> None:
    """After planned changes the rule comes from the strategy, and the running release is not asked."""
    parts = ready_tools(tmp_path, "r2", mode=Mode.PLAN)
    parts.incident.planned_changes = 1
    parts.incident.facts.put("verdict", {"verdict": "additive"})
    parts.incident.facts.put("strategy", "image-only")
    assert strategy.readiness_rule(parts) == (BEHIND, [])
    parts.incident.facts.put("verdict", {"verdict": "breaking"})
    parts.incident.facts.put("strategy", "bridge")
    assert strategy.readiness_rule(parts) == (BEHIND, [])
    parts.incident.facts.put("strategy", "downgrade")
    assert strategy.readiness_rule(parts) == ((), [])
