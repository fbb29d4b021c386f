"""The plan's checks of the Compose files: they match the containers, and what else would change is reported."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import roll_back_application
from runbook.chapters.checks import compose_files
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.incident.production_facts import ContainerFact
from runbook.production.containers import Container
from runbook.production.dry_run import DryRun, Effect
from runbook.production.invocation import Invocation
from runbook.release import Release
from runbook.settings.schema import Project
from tests.support.incident_parts import incident, production
from tests.support.journal_schema import problems

NOT_SET = 'The "DATABASE_URL" variable is not set. Defaulting to a blank string.'
TARGET = Release("v1", {}, {})
RECREATED = {"shop-api-1": Effect.RECREATED}


def container(folder: Path, service: str = "api", number: int = 1, **more: Any) -> Container:
    made = Container(
        id=f"{service}{number}", name=f"shop-{service}-{number}", service=service, image_id="i2",
        image_name=f"r.example/{service}:v2", state="running", health="none", restarts=0, started_at="", exit_code=0,
        addresses=(), directory=str(folder), config_files=(f"{folder}/a.yml",),
    )  # fmt: skip
    return replace(made, **more)


def context(
    folder: Path, *there: Container, would: dict[str, Effect] | None = None, removes: tuple[str, ...] = (), **more: Any
) -> Any:
    """A production with these containers; `would` is the effect of Compose's dry run on each."""
    for name in (".env", "a.yml", "b.yml"):
        (folder / name).touch()
    found = incident(folder)
    site = production(folder, found)
    project = Project.model_validate({"name": "shop", "directory": str(folder), "services": ["api"]})
    calls = {
        "project": project,
        "invocation": Invocation(("a.yml",), (".env",)),
        "running": lambda: list(there),
        "containers": lambda: list(there),
        "services": lambda tag=None: {
            "api": {"image": f"r.example/api:{tag}"}, "migrate": {"image": f"r.example/api:{tag}"}, "db": {},
        },
        "one_shots": frozenset({"migrate"}),
        "hanging_on": lambda _services: {},
        "dry_run": lambda _up: DryRun(would or {}, removes),
        "warnings": list,
        "tag_of": lambda each: each.image_name.rpartition(":")[2],
        **more,
    }  # fmt: skip
    for name, value in calls.items():
        setattr(site, name, value)
    found.record_fact("before", {"containers": [each.facts() for each in there], "tags": ["v2"]})
    return SimpleNamespace(
        incident=found, production=site, host=site.host, settings=SimpleNamespace(project=calls["project"])
    )


def test_files_that_production_was_made_from(tmp_path: Path) -> None:
    """If the labels name the files that Compose is called with, the check passes and names them."""
    seen = compose_files.files_known(context(tmp_path, container(tmp_path))).observe()
    assert (seen.ok, seen.seen) == (True, "a.yml with .env")


@pytest.mark.parametrize(
    ("label", "explicit", "would", "ok", "words"),
    [
        pytest.param("b.yml", False, RECREATED, False, "was created from", id="another file"),
        pytest.param("b.yml", False, {}, True, "was created from", id="another file, which gave the same"),
        pytest.param("gone.yml", False, RECREATED, False, "missing now: ", id="gone, and it gave something"),
        pytest.param("gone.yml", False, {}, True, "missing now: ", id="gone, and it gave nothing that counts"),
        pytest.param("gone.yml", True, RECREATED, True, "", id="gone, and the settings say which"),
    ],
)
def test_files_of_which_the_labels_say_something_else(  # noqa: PLR0913 - a row of the table
    tmp_path: Path, label: str, *, explicit: bool, would: dict[str, Effect], ok: bool, words: str
) -> None:
    """Other files in the labels stop the plan, unless nothing would change or the settings replace a lost file."""
    parts = context(tmp_path, container(tmp_path, config_files=(f"{tmp_path}/{label}",)), would=would)
    if explicit:
        parts.settings.project = parts.settings.project.model_copy(update={"compose_files": ("a.yml",)})
    seen = compose_files.files_known(parts).observe()
    assert seen.ok is ok
    assert words in seen.seen


def test_file_that_is_gone(tmp_path: Path) -> None:
    """A missing file that Compose would be called with is named before any change."""
    parts = context(tmp_path, container(tmp_path))
    (tmp_path / "a.yml").unlink()
    assert f"{tmp_path}/a.yml does not exist" in compose_files.files_known(parts).observe().seen


def test_same_file_by_a_link(tmp_path: Path) -> None:
    """A link to a file counts as that file."""
    (tmp_path / "current").symlink_to(tmp_path)
    parts = context(tmp_path, container(tmp_path, config_files=(f"{tmp_path}/current/a.yml",)))
    assert compose_files.files_known(parts).observe().ok


@pytest.mark.parametrize(("would", "ok"), [({}, True), ({"shop-api-1": Effect.RECREATED}, False)])
def test_variable_that_is_not_set(tmp_path: Path, would: dict[str, Effect], *, ok: bool) -> None:
    """An unset variable is always reported; it stops the plan only if Compose would recreate a container."""
    seen = compose_files.files_known(
        context(tmp_path, container(tmp_path), would=would, warnings=lambda: [NOT_SET])
    ).observe()
    assert seen.ok is ok
    assert NOT_SET in seen.seen


def test_what_follows_is_named(tmp_path: Path) -> None:
    """A one-shot with the application's tag is not run with the target; existing differences are recorded."""
    there = (container(tmp_path), container(tmp_path, "migrate", state="exited"), container(tmp_path, "db"))
    parts = context(tmp_path, *there, would={"shop-db-1": Effect.RECREATED})
    seen = compose_files.note_what_follows(parts, TARGET).observe()
    assert parts.incident.facts.together.differed == {"shop-db-1": "recreated"}
    assert list(parts.incident.facts.together.left) == ["migrate"]
    assert "not run with the target" in seen.seen


def test_what_differs_once_the_configuration_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other services that the restored configuration changes are named beforehand and do not fail the later check."""
    there = [container(tmp_path, service) for service in ("api", "db", "cache", "queue")]
    parts = context(tmp_path, *there, would={"shop-db-1": Effect.RECREATED})
    effects = {"shop-api-1": Effect.RECREATED, "shop-db-1": Effect.RECREATED, "shop-cache-1": Effect.RECREATED}
    will = SimpleNamespace(pending_changes=lambda _counts, _tag: DryRun(effects))
    monkeypatch.setattr(compose_files, "to_restore", lambda _: True)
    monkeypatch.setattr(compose_files, "as_it_will_be", lambda _: will)
    monkeypatch.setattr(compose_files, "reading_env_file", lambda _: {"queue", "api"})
    seen = compose_files.note_what_follows(parts, TARGET).observe().seen
    found = parts.incident.facts.together
    assert found.restored == {"shop-cache-1": "recreated", "shop-queue-1": "recreated"}
    assert found.differed == {"shop-db-1": "recreated"}
    assert "shop-cache-1 is not touched, but with the restored configuration" in seen
    parts.production.dry_run = lambda _up: DryRun({**effects, "shop-api-1": Effect.KEPT})
    assert roll_back_application.files_agree_with_containers(parts).observe().ok


def test_other_services_that_compose_tells_nothing_of(tmp_path: Path) -> None:
    """If Compose refuses the whole project, the other services are unknown, and only the application is checked."""
    parts = context(tmp_path, container(tmp_path), container(tmp_path, "db"))

    def dry_run(up: Command) -> DryRun:
        if up.argv[-1] != "api":
            raise Inconclusive("Compose's dry run failed: no such image: cache", "look")
        return DryRun({"shop-api-1": Effect.KEPT})

    parts.production.dry_run = dry_run
    seen = compose_files.note_what_follows(parts, TARGET).observe()
    assert "unknown whether the other services differ: Compose's dry run" in seen.seen
    assert roll_back_application.files_agree_with_containers(parts).observe().ok
    # Line 1 is the fact of the state before, which these tests fill only in part.
    assert [each for each in problems(parts.incident.journal.path) if not each.startswith("line 1:")] == []


@pytest.mark.parametrize(
    ("would", "removes", "ok"),
    [
        ({"shop-api-1": Effect.RECREATED, "shop-db-1": Effect.KEPT}, (), True),
        ({"shop-api-1": Effect.RECREATED, "shop-db-1": Effect.STOPPED}, (), False),
        ({"shop-api-1": Effect.RECREATED}, ("network shop_default",), False),
    ],
)
def test_switch_that_would_change_something_else(
    tmp_path: Path, would: dict[str, Effect], removes: tuple[str, ...], *, ok: bool
) -> None:
    """The plan stops if the execution's `up` would also touch another container or a network."""
    parts = context(tmp_path, container(tmp_path), container(tmp_path, "db"), would=would, removes=removes)
    check = compose_files.switchable(parts, TARGET)
    assert check.observe().ok is ok
    assert check.next_step.endswith(" up -d --dry-run")


@pytest.mark.parametrize(
    ("would", "ok"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"shop-api-1": Effect.RECREATED}, False, id="what was brought up"),
        pytest.param({"shop-db-1": Effect.RECREATED}, True, id="what differed before"),
        pytest.param({"shop-cache-1": Effect.RECREATED}, False, id="what did not"),
        pytest.param({"shop-migrate-1": Effect.RECREATED}, True, id="what follows the tag and is left"),
    ],
)
def test_files_describe_what_runs(tmp_path: Path, would: dict[str, Effect], *, ok: bool) -> None:
    """The services that were brought up must match the files; of all others, only new differences count."""
    there = [container(tmp_path, service) for service in ("api", "db", "cache", "migrate")]
    parts = context(tmp_path, *there, would=would)
    parts.incident.record_fact(
        "together", {"recreated": {}, "left": {"migrate": "…"}, "differed": {"shop-db-1": "recreated"}}
    )
    check = roll_back_application.files_agree_with_containers(parts)
    assert check.observe().ok is ok
    assert check.next_step.endswith(" up -d --dry-run")


def test_scaled_service_keeps_its_number(tmp_path: Path) -> None:
    """A service that had two containers and now has one is reported."""
    two = [container(tmp_path, number=number) for number in (1, 2)]
    parts, before = context(tmp_path, *two), [ContainerFact(**each.facts()) for each in two]
    assert roll_back_application.others_kept(parts, before, ["api"]).observe().ok
    parts.production.containers = lambda: two[:1]
    seen = roll_back_application.others_kept(parts, before, ["api"]).observe()
    assert (seen.ok, seen.seen) == (False, "api has 1 container, but had 2")


@pytest.mark.parametrize(("joined", "ok"), [("api1", True), ("old", False)])
def test_sidecar_of_a_container_that_is_gone(tmp_path: Path, joined: str, *, ok: bool) -> None:
    """A sidecar must share its namespace with a container that still exists."""
    both = (container(tmp_path), container(tmp_path, "tunnel", joined=(joined,)))
    parts = context(tmp_path, *both, sharing_with=lambda _: {"tunnel": "the network of api"})
    assert (
        roll_back_application.others_kept(parts, [ContainerFact(**each.facts()) for each in both], ["api"]).observe().ok
        is ok
    )
