"""The target's digest from the registry, or from the host's copy; and the check of the running project."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.identify_target import _pin, project_running
from runbook.errors import RegistryError, RegistryRefused, ReleaseNotFound
from runbook.hosts.command import NullRecorder
from runbook.hosts.local import LocalHost
from runbook.incident.facts import Facts
from runbook.production.compose import Production
from runbook.release import ImageName
from runbook.settings.schema import Deadlines, Project
from runbook.targets.candidate import Candidate
from runbook.targets.registry import Registry
from tests.support.engine_server import FakeEngine
from tests.support.parts import Reply, asking, serving

INSPECTED = Path(__file__).parents[2] / "support" / "inspected.json"
HELD = "sha256:" + "4" * 64


def pin(reply: Reply, *, held: bool = True) -> tuple[str, str]:
    """Pin the api from a registry that always answers `reply`; the host has the image if `held`."""
    with serving(lambda _asked: reply) as server, asking() as http:
        found = Registry(server.url, None, None, http)
        image = ImageName(found.host, "shop/api", "v1")
        known = [f"{found.host}/shop/api@{HELD}"] if held else []
        context: Any = SimpleNamespace(
            registry_of=lambda _image: found, production=SimpleNamespace(digests_of=lambda _reference: known)
        )
        return _pin(context, "api", image, Candidate("v1", {}, "by name"))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(429, headers={"Retry-After": "60"}), id="too-many-requests"),
        pytest.param(Reply(503), id="down"),
        pytest.param(Reply(200), id="no-digest-and-no-manifest"),
        pytest.param(Reply(200, b"<html>"), id="a-page"),
        pytest.param(Reply(200, b"", {"Docker-Content-Digest": "?"}), id="garbage"),
    ],
)
def test_the_hosts_own_copy_counts_where_the_registry_gives_no_digest(reply: Reply) -> None:
    """If the registry is down or gives no digest, the host's image counts; without one, the step fails."""
    digest, origin = pin(reply)
    assert digest == HELD
    assert "the host's copy says, because" in origin
    with pytest.raises(RegistryError, match="is not on the host"):
        pin(reply, held=False)


@pytest.mark.parametrize(("reply", "error"), [(Reply(401), RegistryRefused), (Reply(404), ReleaseNotFound)])
def test_what_the_registry_says_counts(reply: Reply, error: type[RegistryError]) -> None:
    """If the registry refuses or does not have the tag, the host's copy is not used."""
    with pytest.raises(error):
        pin(reply)


@pytest.mark.parametrize(
    ("ended", "facts", "ok"),
    [
        pytest.param([], {}, True, id="all run"),
        pytest.param(["migrate"], {}, False, id="ended"),
        pytest.param(["api"], {"strategy": "downgrade"}, True, id="stopped by this incident"),
    ],
)
def test_service_that_has_ended_is_told_before_anything_is_changed(
    ended: list[str], facts: dict[str, str], *, ok: bool
) -> None:
    """An ended service fails the check, because it would end on the target too, unless this incident stopped it."""
    containers = [
        SimpleNamespace(one_line="shop-api-1 is running"),
        SimpleNamespace(one_line="shop-migrate-1 is exited"),
    ]
    context: Any = SimpleNamespace(
        production=SimpleNamespace(
            application=lambda: containers, ended_services=lambda _containers: ended, remarks=list
        ),
        incident=SimpleNamespace(facts=Facts.model_validate(facts)),
        settings=SimpleNamespace(project=SimpleNamespace(name="shop")),
    )
    assert project_running(context).observe().ok is ok


NOT_SET = (
    r'time="2026-11-28T14:06:05Z" level=warning msg="The \"NOPE\" variable is not set. Defaulting to a blank string."'
)
OBSOLETE = (
    r'time="2026-11-28T14:06:05Z" level=warning msg="a.yml: the attribute `version` is obsolete, \u001b[2J\u202e<b>"'
)


@pytest.mark.parametrize(
    ("there", "settings", "said", "told"),
    [
        pytest.param(("a.yml", "b.yml"), {}, "", "", id="nothing"),
        pytest.param(
            ("a.yml",), {}, "",
            "; b.yml, from which the containers were created, no longer exists; Compose is called without it",
            id="lost",
        ),
        pytest.param(("a.yml",), {"compose_files": ["a.yml"]}, "", "", id="named by the settings"),
        pytest.param(("a.yml", "b.yml"), {}, NOT_SET, "", id="not set, which the files are held against later"),
        pytest.param(
            ("a.yml", "b.yml"), {}, f"{NOT_SET}\n{OBSOLETE}",
            r"; Compose warns: a.yml: the attribute `version` is obsolete, \u001b[2J\u202e<b>",
            id="another warning",
        ),
    ],
)  # fmt: skip
def test_files_that_are_lost_and_warnings_are_told(
    tmp_path: Path, there: tuple[str, ...], settings: dict[str, Any], said: str, told: str
) -> None:
    """The check reports Compose files that no longer exist, and Compose's warnings except unset variables."""
    for name in there:
        (tmp_path / name).touch()
    (found,) = json.loads(INSPECTED.read_text())[:1]
    labels = {"working_dir": str(tmp_path), "config_files": f"{tmp_path}/a.yml,{tmp_path}/b.yml"}
    found["Config"]["Labels"] |= {f"com.docker.compose.project.{name}": value for name, value in labels.items()}
    service = found["Config"]["Labels"]["com.docker.compose.service"]
    engine = FakeEngine([found])
    (tmp_path / "config.json").write_text(json.dumps({"services": {service: {"image": "x"}}}))
    (tmp_path / "said").write_text(said)
    docker = tmp_path / "docker"
    answers = " *' config '*) cat said >&2; cat config.json ;;"
    docker.write_text(f'#!/bin/sh\ncd {tmp_path}\ncase "$*" in\n{answers}\nesac\n')
    docker.chmod(0o755)
    project = Project.model_validate({"name": "shop", "directory": str(tmp_path), "services": [service], **settings})
    host = LocalHost({"PATH": f"{tmp_path}:/usr/bin:/bin", **engine.environment}, NullRecorder())
    context: Any = SimpleNamespace(
        production=Production(host, project, Deadlines()),
        incident=SimpleNamespace(facts=Facts()),
        settings=SimpleNamespace(project=project),
    )
    seen = project_running(context).observe()
    assert seen.ok
    assert seen.seen == f"shop-api-1 is running, healthy, 2 restarts{told}"
