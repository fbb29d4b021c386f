"""The choice of the target from the ledger, a log archive, a registry and the host, and its list on record."""

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from runbook.actions import Question
from runbook.chapters import migration_facts
from runbook.chapters.choosing.choice import choose_target
from runbook.chapters.choosing.pick_list import told
from runbook.chapters.identify_target import identify
from runbook.errors import Inconclusive, TargetError
from runbook.hosts.http import HttpClient
from runbook.incident.executor import Executor
from runbook.incident.production_facts import ReleaseFact, Snapshot
from runbook.migrations.image.report import Graph, ImageReport, Revision
from runbook.release import ImageName, TagForm
from runbook.settings.schema import Settings
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.open_rollback import OpenRollback
from runbook.shared_state.quarantine import Quarantine
from runbook.targets.registry import Registry
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import incident, production
from tests.support.journal_schema import problems
from tests.support.notes import line, quarantined, write_notes
from tests.support.parts import SETTINGS, Asked, Reply, serving

CREATED = "org.opencontainers.image.created"


def digest(tag: str) -> str:
    return f"sha256:{tag[-1] * 64}"


@dataclass
class Shop:
    """A production at the failed release v3, and what the sources know of other releases."""

    folder: Path
    #: The day of December on which each image in the registry was built, by tag.
    listed: dict[str, int] = field(default_factory=dict)
    #: The revisions of each image on the host, by tag, as in `asking`.
    heads: dict[str, str] = field(default_factory=dict)
    registry_status: int = 200
    settings: dict[str, Any] = field(default_factory=dict)
    asked_images: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        """Answer as a registry whose manifests have annotations."""
        tag = urlsplit(asked.path).path.rpartition("/")[2]
        if self.registry_status != 200:
            return Reply(self.registry_status)
        if tag == "list":
            return Reply(200, {"tags": list(self.listed)})
        if tag not in self.listed:
            return Reply(404)
        annotations = {CREATED: f"2025-12-{self.listed[tag]:02}T10:00:00Z"}
        return Reply(200, {"schemaVersion": 2, "annotations": annotations, "tag": tag})

    @contextmanager
    def context(self, target: str | None = None) -> Iterator[Any]:
        with serving(self.answer) as server:
            yield self._context(server.url, target)

    def _context(self, url: str, target: str | None) -> Any:
        name = urlsplit(url).netloc
        found = incident(self.folder)
        inspected = [
            {
                "RepoTags": [f"{name}/shop/api:{tag}"],
                "Os": "linux",
                "Architecture": "amd64",
                "Created": "2025-12-01T00:00:00Z",
            }
            for tag in self.heads
        ]
        held = {f"sha256:{number}": {"Id": f"sha256:{number}", **each} for number, each in enumerate(inspected)}
        made = production(self.folder, found, engine=FakeEngine(images=held))
        made.tag_forms = {service: TagForm(f"{name}/shop/{service}:", "") for service in ("api", "jobs")}
        made.images_with_tag = lambda tag=None: {  # type: ignore[method-assign]
            service: ImageName(name, f"shop/{service}", tag or "v3") for service in ("api", "jobs")
        }

        def image_id(image: str) -> str | None:
            return image if image.rpartition(":")[2] in self.heads else None

        made.image_id = image_id  # type: ignore[method-assign]
        settings = Settings.model_validate(tomllib.loads(SETTINGS) | {"targets": {"deadline": 5, **self.settings}})
        return SimpleNamespace(
            settings=settings, production=made, incident=found, ledger=Ledger(made), quarantine=Quarantine(made),
            options=SimpleNamespace(target=target, forward_fix=None), asked_images={}, canary=None,
            registry_http=HttpClient,
            registry_of=lambda _image: Registry(url, None, None, HttpClient(5, found)), http=None, host=None,
            open_rollback=OpenRollback(made),
            registry_through=lambda http, _host, _image: Registry(url, None, None, http),
            ci_token=lambda name: settings.secret_sources()[name].resolve({}),
        )  # fmt: skip

    def choose(self, target: str | None = None) -> tuple[Any, Any, Executor]:
        """Choose as chapter 1 does. Return the choice, the list and the incident."""
        failed = Snapshot(tags=("v3",), digests={"api": digest("v3"), "jobs": digest("v3")})
        with self.context(target) as context:
            chosen = choose_target(context, failed.as_origin(), failed, target)
        return chosen.choice, chosen.found, context.incident


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path)
    monkeypatch.setattr(migration_facts, "_ask", asking(made))
    monkeypatch.setattr(migration_facts, "failed_image", lambda _context: "registry/shop/api:v3")
    return made


def asking(shop: Shop) -> Callable[..., ImageReport]:
    """Return a fake for asking images: `b2>c3` is the head c3 with the down revision b2."""

    def ask(_context: Any, image: str, _tag: str | None, _span: None) -> ImageReport:
        shop.asked_images.append(image.rpartition(":")[2])
        named = shop.heads.get(image.rpartition(":")[2])
        if named is None:
            raise Inconclusive("no such image", "")
        chain = named.split(">")
        revisions = [Revision(each, (down,), (), (), "", "") for down, each in pairwise(chain)]
        first = Revision(chain[0], (), (), (), "", "")
        return ImageReport(Graph({}, (chain[-1],), (chain[0],), (*reversed(revisions), first)))

    return ask


def archived(folder: Path, **days: int) -> dict[str, Any]:
    """An archive of logs of successful deployments, on these days of December."""
    for tag, day in days.items():
        log = folder / "archive" / f"{tag}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"deployed {tag}\n")
        os.utime(log, (1764583200 + (day - 1) * 86400,) * 2)
    logs = {"path": str(folder / "archive"), "pattern": r"deployed (?P<tag>\S+)", "means": "deployed"}
    return {"logs": [logs]}


def test_ledger_comes_before_everything_else(shop: Shop) -> None:
    """A release on the ledger is chosen, although the registry has a newer one."""
    write_notes(shop.folder, known_good=[line("v1", schema=["b2"], digests={}), line("v2", schema=["b2"], digests={})])
    shop.listed = {"v1": 1, "v2": 2, "v25": 3, "v3": 4}
    choice, found, _ = shop.choose()
    assert choice.chosen.tag == "v2"
    assert [(each["tag"], each["kind"]) for each in found["candidates"]] == [
        ("v2", "validated"), ("v1", "validated"), ("v25", "built"), ("v3", "built"),
    ]  # fmt: skip
    assert found["level_before"]["from"] == "ledger"
    assert found["candidates"][0]["level_as_before"] is True


def test_empty_ledger_finds_its_target_in_a_log_archive(shop: Shop) -> None:
    """With an empty ledger, the last release deployed before the failed one is chosen, not one that was only built."""
    shop.listed = {"v1": 1, "v2": 3, "v25": 5, "v3": 6, "v4": 8}
    shop.settings = archived(shop.folder, v1=2, v2=4, v3=7)
    choice, found, _ = shop.choose()
    assert choice.chosen.tag == "v2"
    assert "of" in choice.chosen.evidence
    assert choice.passed_over[0].why == "it is the failed release"
    said = "\n".join(told(found))
    assert "  1. v2, deployed" in said
    assert "against it: it never passed a validation of this runbook" in said


def test_empty_ledger_finds_its_target_in_the_registry(shop: Shop) -> None:
    """With an empty ledger, the newest release built before the failed one is chosen, and none built after it."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6, "v4": 8}
    choice, _, _ = shop.choose()
    assert choice.chosen.tag == "v2"
    assert [(each.candidate, each.why) for each in choice.passed_over] == [
        ("v4", "it is newer than the failed release"),
        ("v3", "it is the failed release"),
    ]


def test_level_of_images_on_the_host_decides_among_what_was_built(shop: Shop) -> None:
    """The failed release's down revision is the level before; a release at another level ranks lower."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6}
    shop.heads = {"v1": "a1>b2", "v2": "b2>x9", "v3": "b2>c3"}
    choice, found, _ = shop.choose()
    assert found["level_before"] == {
        "revisions": ["b2"], "from": "down_revision",
        "evidence": "the failed release's head c3 has the down revision b2",
    }  # fmt: skip
    assert choice.chosen.tag == "v1"
    assert [each["level_as_before"] for each in found["candidates"]] == [True, False, None]
    assert "against it: its migrations level is x9, and production was at b2 before" in "\n".join(told(found))


def test_release_with_the_failed_releases_head_shows_that_it_added_no_migration(shop: Shop) -> None:
    """If the best candidate has the failed release's head, that head is the level before, not its down revision."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6}
    shop.heads = {"v1": "a1>b2", "v2": "b2>c3", "v3": "b2>c3"}
    choice, found, _ = shop.choose()
    assert (choice.chosen.tag, found["level_before"]["from"]) == ("v2", "same_head")


def test_head_of_an_older_release_counts_where_no_other_level_is_known(shop: Shop) -> None:
    """If no candidate is at an earlier level, an older one with the failed release's head gives the level before."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6}
    shop.heads = {"v1": "b2>c3", "v2": "b2>c3>x9", "v3": "b2>c3"}
    choice, found, _ = shop.choose()
    assert choice.chosen.tag == "v1"
    assert (found["level_before"]["from"], found["level_before"]["revisions"]) == ("same_head", ["c3"])


def test_failed_release_that_added_several_migrations(shop: Shop) -> None:
    """If the failed release added several migrations, the level before is the nearest one of a known release."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6}
    shop.heads = {"v1": "a1", "v2": "a1>b2", "v3": "a1>b2>c3>d4"}
    choice, found, _ = shop.choose()
    assert choice.chosen.tag == "v2"
    assert found["level_before"] == {
        "revisions": ["b2"], "from": "down_revision",
        "evidence": "the failed release's head d4 has the down revision c3; no known release is at it;"
        " the nearest earlier one is at b2",
    }  # fmt: skip
    assert [each["level_as_before"] for each in found["candidates"]] == [True, False, None]


def test_images_that_the_ledger_knows_are_not_asked(shop: Shop) -> None:
    """If the ledger has the revisions, no image is asked, because that takes seconds."""
    write_notes(shop.folder, known_good=[line("v1", schema=["b2"], digests={}), line("v2", schema=["b2"], digests={})])
    shop.heads = {"v1": "a1>b2", "v2": "a1>b2", "v3": "b2>c3"}
    shop.choose()
    assert shop.asked_images == []


def test_source_that_is_down_is_named_and_stops_nothing(shop: Shop) -> None:
    """A registry that is down and a missing token are listed with the reason, and a target is still chosen."""
    write_notes(shop.folder, known_good=[line("v1", digests={})])
    shop.registry_status = 503
    shop.settings = {
        "github": [
            {"repository": "s/s", "workflow": "d.yml", "pattern": "(?P<tag>.)", "token": {"env": "NO_SUCH_TOKEN"}}
        ]
    }
    choice, found, _ = shop.choose()
    assert choice.chosen.tag == "v1"
    down = {each["source"].partition(" ")[0]: each["down"] for each in found["sources"] if each["down"]}
    assert "503" in down["registry"]
    assert "no secret in environment variable NO_SUCH_TOKEN" in down["targets.github"]
    assert "NOT READ: registry" in "\n".join(told(found))


def test_number_of_the_list_is_taken(shop: Shop) -> None:
    """`--to 2` chooses the second release of the list, and its tag is recorded."""
    write_notes(shop.folder, known_good=[line("v1", digests={}), line("v2", digests={})])
    choice, found, _ = shop.choose("2")
    assert found["candidates"][1]["tag"] == "v1"
    assert choice.chosen.tag == "v1"
    assert "requested by name (--to v1)" in choice.chosen.evidence


def test_nothing_to_return_to_leaves_the_list_on_record(shop: Shop) -> None:
    """Without a target, the error and the record list the known releases and why none was chosen."""
    write_notes(shop.folder, quarantine=[quarantined(digest("v3"))])
    shop.listed = {"v3": 6, "v4": 8}
    with shop.context() as context:
        failed = Snapshot(tags=("v3",))
        with pytest.raises(TargetError, match="it is newer than the failed release") as caught:
            choose_target(context, failed.as_origin(), failed, None)
    assert caught.value.next_step.endswith("the list: 1. v4 (built), 2. v3 (built)")
    decision = next(each for each in context.incident.journal.entries if each["kind"] == "decision")
    assert (decision["question"], decision["answer"]) == ("target", "none")
    assert [each["tag"] for each in decision["candidates"]] == ["v4", "v3"]


def test_chapter_pins_the_choice_and_shows_the_list(shop: Shop) -> None:
    """The step shows the pinned digests and then the candidates; both are recorded."""
    shop.listed = {"v1": 1, "v2": 3, "v3": 6}
    with shop.context() as context:
        context.incident.facts.before = Snapshot(tags=("v3",), log_errors={}, gate="open")
        seen = identify(context).observe().seen.splitlines()
        pinned = context.incident.facts.target
    assert seen[0] == f"v2: {', '.join(pinned_name(pinned, service) for service in ('api', 'jobs'))}"
    assert seen[2].startswith("  1. v2, built ")
    decision = next(each for each in context.incident.journal.entries if each["kind"] == "decision")
    assert [each["tag"] for each in decision["candidates"]] == ["v2", "v1", "v3"]
    assert decision["candidates"][0]["digests"] == pinned.digests
    assert problems(context.incident.journal.path) == []


def pinned_name(pinned: ReleaseFact, service: str) -> str:
    return f"{pinned.images[service].rpartition(':')[0]}@{pinned.digests[service]}"


def test_what_is_on_record_is_as_the_schema_says(shop: Shop) -> None:
    """The recorded list is valid by docs/journal.schema.json."""
    write_notes(shop.folder, known_good=[line("v1", schema=["b2"], digests={})])
    shop.listed, shop.heads = {"v1": 1, "v2": 3, "v3": 6}, {"v2": "b2>c3"}
    _, found, recorded = shop.choose()
    recorded.record_decision(Question.TARGET, "which", "v1", [], **found)
    assert problems(recorded.journal.path) == []
