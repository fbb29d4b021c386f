"""A bridge in a small real production: found on a copy of its schema, built and removed. No row is touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.chapters.evidence import judged as evidence
from runbook.chapters.evidence.bridging import Proposal, proposed
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.migrating import bridge
from runbook.incident.options import Options
from runbook.incident.production_facts import ReleaseFact
from runbook.incident.schema_facts import Bridge
from runbook.release import ImageName, Release
from runbook.shared_state.bridge_note import BridgeNote
from tests.engine.small_production import Built, Here, raised
from tests.engine.test_schema_trial import COMPOSE, DOCKERFILE, production, write_histories

WRITE = "INSERT INTO orders (number) VALUES ('new')"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A production with an empty database."""
    with raised(tmp_path_factory, "bridge", DOCKERFILE, COMPOSE, write_histories) as found:
        yield found


def proposal(context: Any) -> Proposal:
    """Return what the runbook finds on a new copy."""
    copy = SchemaCopy(context)
    with context.database.remembering(), copy.removed_afterwards():
        return proposed(context, evidence.judged(context, copy), copy)


def bridged(context: Any) -> Bridge | None:
    """Let the runbook look for a bridge, and record what it finds."""
    context.options = Options(strategy="bridge", because="nobody may lose an order")
    context.bridge_note = BridgeNote(context.production)
    found = proposal(context)
    if found.bridge:
        context.incident.record_fact("bridge", found.bridge)
    return found.bridge


def test_built_and_taken_away(here: Here, tmp_path: Path) -> None:
    """The target's write passes on the bridge, and a conflicting row is reported. Then the schema is as before."""
    with production(here, tmp_path, "demands") as context:
        dump = ("exec", "-T", "db", "pg_dump", "-s", "-U", "shop", "--restrict-key=x", "shop")
        before = [line for line in here.compose(*dump).splitlines() if not line.startswith("--")]
        assert bridged(context)
        assert bridge.tried(context).observe().ok
        assert not bridge.built(context).observe().ok
        noted, relaxed = bridge.noting(context), bridge.building(context)
        assert noted.already() is relaxed.already() is None
        for command in (*noted.commands, *relaxed.commands):
            context.host.check(command)
        context.production.remembered.forget()
        assert bridge.built(context).observe().ok
        assert bridge.tried(context).observe().ok
        assert bridge.noting(context).already()
        assert bridge.building(context).already()
        note = context.bridge_note.read()
        assert note is not None
        assert (note["because"], note["incident"]) == ("nobody may lose an order", context.incident.name)

        here.sql(WRITE)
        against = bridge.removable(context).observe()
        assert not against.ok
        assert "would make 1 row invalid" in against.seen
        assert "SELECT * FROM public.orders WHERE c IS NULL" in against.seen
        here.sql("DELETE FROM orders WHERE c IS NULL")
        assert bridge.removable(context).observe().ok
        removed = bridge.removing(context)
        assert removed.already() is None
        for command in removed.commands:
            context.host.check(command)
        context.production.remembered.forget()
        assert context.bridge_note.read() is None
        assert bridge.removing(context).already()
        assert [line for line in here.compose(*dump).splitlines() if not line.startswith("--")] == before


@pytest.mark.parametrize(
    ("history", "told", "why_not"),
    [
        ("demands", ("NOT NULL c of orders is lifted",), ""),
        ("drops", None, "not all obstacles can be relaxed without touching a row"),
        ("adds", None, "the target can use the schema as it is"),
    ],
)
def test_before_a_deploy(  # noqa: PLR0913, PLR0917 - what is deployed, and what is said about it
    here: Here,
    tmp_path: Path,
    history: str,
    told: tuple[str, ...] | None,
    why_not: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bridge is tried on the schema that the release to deploy would leave, which production does not have yet."""
    monkeypatch.setattr(Release, "pinned", lambda _release, _service: here.image)
    with production(here, tmp_path, history, at="0001") as context:
        fact = ReleaseFact.of(Built("v1", {"api": ImageName.parse(here.image)}, {"api": "sha256:" + "0" * 64}))
        context.incident.record_fact("release to deploy", fact)
        found = proposal(context)
        assert (found.bridge and found.bridge.told) == told, found.why_not
        assert why_not in found.why_not
        assert proposal(context).by == (context.incident.name if told else "")


def test_lock_that_another_holds(here: Here, tmp_path: Path) -> None:
    """The transaction waits no longer than the settings allow, and then none of it is done."""
    with production(here, tmp_path, "demands") as context:
        assert bridged(context)
        context.settings.database = context.settings.database.model_copy(update={"lock_timeout": 0.5})
        holding = "BEGIN; LOCK orders IN ACCESS SHARE MODE; SELECT pg_sleep(30)"
        here.compose("exec", "-T", "-d", "db", "psql", "-U", "shop", "-d", "shop", "-c", holding)
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND granted"
        while here.sql(waiting).strip() == "0":
            pass
        (command,) = bridge.building(context).commands
        done = context.host.run(command)
        assert done.exit_code != 0
        assert "lock timeout" in done.last_line
        assert not bridge.built(context).observe().ok
        holders = "FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        here.sql(f"SELECT pg_terminate_backend(pid) {holders}")


def test_tried_on_one_copy_and_once(here: Here, tmp_path: Path) -> None:
    """Verdict and bridge share a copy. The next run gives the same answer without one."""
    with production(here, tmp_path, "demands") as context:
        found = bridged(context)
        assert found
        begun = [str(command) for command in context.heard.began]
        assert sum(" up -d " in each for each in begun) == 1
        assert sum(" down --volumes " in each for each in begun) == 1
        assert sum(" psql " in each for each in begun) <= 12
        assert bridged(context) == found
        assert len(context.heard.began) == len(begun), "production alone is asked, by the engine"


@pytest.mark.parametrize("history", ["drops", "loops", "adds"])
def test_none_is_proposed(here: Here, tmp_path: Path, history: str) -> None:
    """A dropped column, rows that a migration read, and a schema that the target can use unchanged need no bridge."""
    with production(here, tmp_path, history) as context:
        assert bridged(context) is None
