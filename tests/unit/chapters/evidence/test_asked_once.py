"""Results of a trial on a copy are used again for exactly the same question, and not for any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.chapters.evidence import schema_copy
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.startup import scratch_database
from runbook.incident.production_facts import ReleaseFact
from runbook.release import ImageName, Release
from runbook.settings.database import DatabaseSettings, MigrationSettings
from tests.support.scratch_server import DOWN, PART, UP, ScratchServer, decided

LATER = "20251218T031500Z-shop-rollback"


@pytest.fixture
def server(tmp_path: Path) -> ScratchServer:
    """A host on which a plan has made the trial."""
    found = ScratchServer()
    judged, proposal, left = decided(found.context(tmp_path))
    assert (judged.assessment.verdict, left) == ("breaking", "")
    assert proposal.bridge is not None, proposal.why_not
    assert judged.trial is not None
    assert (judged.trial.by, proposal.by) == ("", "")
    return found


def kept(folder: Path) -> list[Path]:
    """Return the kept answers."""
    return sorted((folder / ".answers").glob("*.json"))


def test_first_plan_starts_few_commands(server: ScratchServer) -> None:
    """Verdict and bridge use one database, which is started and waited for once."""
    docker = [each for each in server.begun if each.startswith("docker compose")]
    assert [each.partition(" -f - ")[2].split()[0] for each in docker] == ["up", "down"]
    assert [each.split()[-2:] for each in server.begun if " alembic " in each] == [
        ["downgrade", "r1"],
        ["upgrade", "r2"],
    ]
    assert sum("pg_isready" in each for each in server.begun) == 1
    assert sum(" psql " in each for each in server.begun) <= 11
    assert len(server.begun) <= 18


def test_the_same_is_told_again(server: ScratchServer, tmp_path: Path) -> None:
    """The execution starts nothing and names the run of the trial; verdict and bridge are as in the plan."""
    before = decided(ScratchServer().context(tmp_path / "other"))
    server.begun.clear()
    judged, proposal, left = decided(server.context(tmp_path, LATER))
    assert server.begun == []
    assert (judged.assessment, judged.no_way_back, left) == (before[0].assessment, before[0].no_way_back, "")
    assert proposal.bridge == before[1].bridge
    by = "20251218T030000Z-shop-plan"
    assert (judged.trial and judged.trial.by, proposal.by) == (by, by)
    assert "tried on a copy of the schema: 9 statements" in judged.sources[0]


@pytest.mark.parametrize("deploying", [False, True])
def test_what_both_ways_ran_is_told_again(tmp_path: Path, *, deploying: bool) -> None:
    """The SQL of upgrade and downgrade, and the partitions whose rows have a place, are kept; either may run first."""
    server, seen = ScratchServer(), []
    for name in ("20251218T030000Z-shop-plan", LATER):
        context = server.context(tmp_path, name)
        if deploying:
            server.revision = "r1"
            _deploying(server, context)
        trial = decided(context)[0].trial
        assert trial is not None
        assert (trial.upgrade_sql, trial.downgrade_sql) == (f"{UP};\n", f"{DOWN};\n")
        assert trial.placed == {PART[1]}
        seen.append(trial.by)
    assert seen == ["", "20251218T030000Z-shop-plan"]


@pytest.mark.parametrize("how", ["loses_log", "loses_beginning"])
def test_log_that_is_not_seen_whole(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the log is not complete, the SQL that ran is unknown, because a part would look like all of it."""
    monkeypatch.setattr(scratch_database, "_LOGGED_WITHIN", 0.0)
    server = ScratchServer()
    setattr(server, how, True)
    trial = decided(server.context(tmp_path))[0].trial
    assert trial is not None
    assert (trial.untried, trial.upgrade_sql, trial.downgrade_sql) == ("", None, None)


def test_rows_are_always_asked_anew(server: ScratchServer, tmp_path: Path) -> None:
    """Each run queries production's rows again, and each query is made only once per run."""
    first, server.asked[:] = list(server.asked), []
    decided(server.context(tmp_path, LATER))
    assert sorted(server.asked) == sorted(first)
    assert len(set(first)) == len(first)
    server.asked.clear()
    decided(server.context(tmp_path, "each time"), remembering=False)
    assert len(server.asked) > len(first)


def _dump(server: ScratchServer, _context: Any) -> None:
    server.dump += b"CREATE TABLE public.other (id integer);\n"


def _roles(server: ScratchServer, _context: Any) -> None:
    server.roles += b"ALTER ROLE shop SET search_path = other;\n"


def _image(server: ScratchServer, _context: Any) -> None:
    server.images["sha256:api"] = "sha256:rebuilt"


def _database_image(server: ScratchServer, _context: Any) -> None:
    server.images["sha256:db"] = "sha256:rebuilt"


def _environment(server: ScratchServer, _context: Any) -> None:
    server.services["api"]["environment"]["URL"] = "y"


def _of_database(server: ScratchServer, _context: Any) -> None:
    server.services["db"]["environment"]["POSTGRES_INITDB_ARGS"] = "--locale=C"


def _command(_server: ScratchServer, context: Any) -> None:
    context.settings.migrations = MigrationSettings(service="api", section="other")


def _version_table(_server: ScratchServer, context: Any) -> None:
    context.settings.database = DatabaseSettings(user="shop", name="shop", version_schema="public")


def _models(_server: ScratchServer, context: Any) -> None:
    context.incident.facts.target_migrations["models"]["tables"][0]["columns"][1]["type"] = "VARCHAR(9)"


def _head(_server: ScratchServer, context: Any) -> None:
    graph = context.incident.facts.target_migrations["graph"]
    graph["heads"] = graph["bases"] = ["r0"]
    graph["revisions"][0]["revision"] = "r0"


def _validated(_server: ScratchServer, context: Any) -> None:
    context.incident.record_fact("target", _release("v1").facts())
    context.ledger.snapshot_at = lambda *_: type("Kept", (), {"catalog": (("table", "public.orders", "table"),)})


def _release(tag: str) -> Release:
    return Release(tag, {"api": ImageName.parse(f"r.example/shop/api:{tag}")}, {"api": f"sha256:{'1' * 64}"})


def _deploying(server: ScratchServer, context: Any) -> None:
    context.incident.record_fact("release to deploy", ReleaseFact.of(_release("v2")))
    server.images[_release("v2").pinned("api")] = "sha256:api"


@pytest.mark.parametrize(
    "change",
    [
        _dump, _roles, _image, _database_image, _environment, _of_database, _command, _version_table, _models, _head,
        _validated, _deploying,
    ],
)  # fmt: skip
def test_any_other_question_is_asked_anew(
    server: ScratchServer, tmp_path: Path, change: Callable[[ScratchServer, Any], None]
) -> None:
    """Another schema, role, image, environment, command, target or validated schema needs a new trial."""
    context = server.context(tmp_path, LATER)
    change(server, context)
    judged = decided(context)[0]
    assert judged.trial is not None
    assert (judged.trial.by, judged.trial.untried) == ("", "")


def test_other_revision_is_asked_anew(server: ScratchServer, tmp_path: Path) -> None:
    """Another revision of the database needs a new trial, even if the schema is equal."""
    server.revision = "r3"
    judged = decided(server.context(tmp_path, LATER))[0]
    assert judged.trial is not None
    assert judged.trial.by == ""


def test_other_code_asks_anew(server: ScratchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of the runbook makes a new trial, because it may see more."""
    monkeypatch.setattr(schema_copy, "_code", lambda: "newer")
    judged, proposal, _ = decided(server.context(tmp_path, LATER))
    assert judged.trial is not None
    assert (judged.trial.by, proposal.by) == ("", "")


def test_mounted_file_is_part_of_the_question(tmp_path: Path) -> None:
    """A mounted file with another time or size needs a new trial; without a listing no answer is kept."""
    server = ScratchServer()
    server.services["api"]["volumes"] = [{"type": "bind", "source": "/srv/x", "target": "/x"}]
    decided(server.context(tmp_path))
    server.mounted = "/srv/x f 2 1 \n"
    judged = decided(server.context(tmp_path, LATER))[0]
    assert judged.trial is not None
    assert judged.trial.by == ""
    server.mounted = None
    assert decided(server.context(tmp_path, "unlisted"))[0].trial == judged.trial
    assert len(kept(tmp_path)) == 4, "verdict and bridge of two questions, and nothing where files cannot be listed"


def test_dump_differs_by_a_random_word(server: ScratchServer, tmp_path: Path) -> None:
    """The random token at the start of a newer PostgreSQL's dump does not make it another schema."""
    server.dump = server.dump.replace(b"Rand0m", b"An0ther")
    judged = decided(server.context(tmp_path, LATER))[0]
    assert judged.trial is not None
    assert judged.trial.by


@pytest.mark.parametrize("how", ["exit_code", "loses_log", "loses_beginning", "lacks", "no image id"])
def test_doubt_is_not_kept(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed command, an incomplete log or a missing copy is not kept, because a later trial may succeed."""
    monkeypatch.setattr(scratch_database, "_LOGGED_WITHIN", 0.0)
    server = ScratchServer()
    if how == "no image id":
        del server.images["sha256:db"]
    else:
        setattr(server, how, True)
    judged = decided(server.context(tmp_path))[0]
    assert decided(server.context(tmp_path, LATER))[0] == judged
    assert [path for path in kept(tmp_path) if "passed" in path.read_text()] == []


def test_answer_with_a_secret_is_not_kept(tmp_path: Path) -> None:
    """An answer that contains a secret is not kept."""
    server = ScratchServer()
    context = server.context(tmp_path)
    context.incident.journal.redactor.learn("API_TOKEN", "$user")
    context.incident.journal.redactor.learn("ROLE", '"$user", public')
    decided(context)
    judged = decided(server.context(tmp_path, LATER))[0]
    assert judged.trial is not None
    assert judged.trial.by == ""


@pytest.mark.parametrize("content", ["", "{}", None])
def test_damaged_one_is_asked_anew(server: ScratchServer, tmp_path: Path, content: str | None) -> None:
    """A damaged answer, or one kept for another question, leads to a new trial."""
    files = kept(tmp_path)
    assert len(files) == 2
    texts = [path.read_text() for path in files]
    for path, text in zip(files, reversed(texts), strict=True):
        path.write_text(text if content is None else content)
    judged, proposal, _ = decided(server.context(tmp_path, LATER))
    assert judged.trial is not None
    assert (judged.trial.by, proposal.by) == ("", "")
    assert proposal.bridge is not None


def test_copy_that_cannot_be_brought_back(tmp_path: Path) -> None:
    """If a migration left something in the server, the bridge is tried in a new one."""
    server = ScratchServer()
    server.left_over = "role left_over"
    proposal = decided(server.context(tmp_path))[1]
    assert proposal.bridge is not None, proposal.why_not
    docker = [each for each in server.begun if each.startswith("docker compose")]
    kinds = [each.partition(" -f - ")[2].split()[0] for each in docker]
    assert kinds == ["up", "down", "up", "down"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ScratchServer, Any, SchemaCopy]:
    """A copy that may be started ahead, because no earlier run kept the answer of the target's image."""
    monkeypatch.setattr(schema_copy, "pinned_release", lambda _context: None)
    monkeypatch.setattr(migration_facts, "answered_earlier", lambda *_: False)
    server = ScratchServer()
    context = server.context(tmp_path)
    copy = SchemaCopy(context)
    context.incident.ahead.begin({SchemaCopy: lambda: copy.begin(("r1",))})
    return server, context, copy


def _of_compose(server: ScratchServer) -> list[str]:
    return [each.partition(" -f - ")[2].split()[0] for each in server.begun if each.startswith("docker compose")]


def test_copy_that_was_started_ahead(begun: tuple[ScratchServer, Any, SchemaCopy]) -> None:
    """A copy started ahead serves all trials and is removed after the decision; the end of the run removes nothing."""
    server, context, copy = begun
    judged, proposal, left = decided(context)
    assert (judged.assessment.verdict, left) == ("breaking", "")
    assert proposal.bridge is not None, proposal.why_not
    copy.end()
    assert _of_compose(server) == ["up", "down"]


def test_copy_that_no_decision_asks_for(begun: tuple[ScratchServer, Any, SchemaCopy]) -> None:
    """The end of the run removes an unused copy, and none is started afterwards."""
    server, context, copy = begun
    assert context.incident.ahead.found(SchemaCopy, None) is copy
    copy.end()
    assert _of_compose(server) == ["up", "down"]
    copy.begin(("r1",))
    assert _of_compose(server) == ["up", "down"]


@pytest.mark.parametrize(("expected", "told"), [(("r2",), False), (("r1",), True)])
def test_copy_that_is_not_started_ahead(
    tmp_path: Path, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """No copy is started ahead if the target was validated with this schema or an earlier run asked its image."""
    monkeypatch.setattr(schema_copy, "pinned_release", lambda _context: None)
    monkeypatch.setattr(migration_facts, "answered_earlier", lambda *_: told)
    server = ScratchServer()
    SchemaCopy(server.context(tmp_path)).begin(expected)
    assert server.begun == []


def test_copy_that_cannot_be_removed(tmp_path: Path) -> None:
    """If the copy cannot be removed, the evidence still counts, and the command to remove it is reported."""
    server = ScratchServer()
    server.removal = 1
    judged, _, left = decided(server.context(tmp_path))
    assert judged.trial is not None
    assert judged.trial.passed == 9
    assert "could not be removed: it said no; to remove it, type docker compose -p" in left


def test_server_that_does_not_tell_what_could_be_relaxed(tmp_path: Path) -> None:
    """If an old server refuses the query for a bridge, there is no bridge, and the verdict has its evidence."""
    server = ScratchServer()
    server.refuses_shapes = True
    judged, proposal, _ = decided(server.context(tmp_path))
    assert judged.trial is not None
    assert (judged.trial.untried, proposal.bridge) == ("", None)
    assert proposal.why_not == "the copy of the schema does not show what could be relaxed"
