"""Compose doubles each `$` in its output; images and commands get the original values."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import migration_facts
from runbook.chapters.migrating import migrate_command
from runbook.chapters.startup import signs
from runbook.errors import EngineError, Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.migrations.image import probe
from runbook.migrations.image.report import ImageReport
from runbook.migrations.kept import KeptAnswers
from runbook.secrets.redactor import Redactor
from runbook.settings.database import DatabaseSettings, MigrationSettings
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import DEADLINES, incident, production
from tests.support.parts import host

PASSWORD = "pa$sword-4711"
SERVICE: dict[str, Any] = {
    "environment": {"PATH": "/a$$b", "DB_PASSWORD": "pa$$sword-4711", "PGOPTIONS": "-c search_path=$$user", "X": None},
    "command": ["serve", "--greeting=$$HOME"],
    "working_dir": "/srv/$$x",
}


def context(folder: Path, config: Any = MappingProxyType({"Entrypoint": ["/$$start"]})) -> Any:
    held = {"Id": "sha256:1", "RepoDigests": None, "Config": dict(config) if isinstance(config, Mapping) else config}
    site = production(folder, incident(folder), engine=FakeEngine(images={"image": held}))
    site.services = lambda tag=None: {"api": SERVICE}  # type: ignore[method-assign]  # noqa: ARG005 - its own name
    settings = SimpleNamespace(
        migrations=MigrationSettings(), deadlines=DEADLINES, database=DatabaseSettings(user="shop", name="shop")
    )
    kept = KeptAnswers(folder, Redactor())
    return SimpleNamespace(production=site, host=site.host, settings=settings, kept=kept)


def test_image_is_given_the_environment_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is asked for its migrations gets the same values as the service's containers."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(migration_facts, "ask_image", lambda *_, **named: given.update(named) or ImageReport())
    shop = context(tmp_path)
    shop.production.image_id = lambda _reference: None
    migration_facts._ask(shop, "image", "v1", None)
    assert given["environment"] == {"PATH": "/a$b", "DB_PASSWORD": PASSWORD, "PGOPTIONS": "-c search_path=$user"}


def test_complaint_of_an_image_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image's error output is redacted and shown without control characters."""
    said = f"Error: cannot log in with {PASSWORD} \x1b[2J".encode()
    answer = Completed(Command(("docker",), 1), 1, b"", said, 0.1)
    monkeypatch.setattr(probe, "run_contained", lambda *_: answer)
    environment = {"DB_PASSWORD": PASSWORD}
    with pytest.raises(Inconclusive, match="exit code 1: Error: cannot log in with") as caught:
        probe.ask_image(host(), "image", MigrationSettings(), environment=environment, span=None, deadline=1)
    assert PASSWORD not in str(caught.value)
    assert str(caught.value).isprintable()


def test_downgrade_keeps_the_service_s_own_options(tmp_path: Path) -> None:
    """PGOPTIONS of the service come before the time limits, as the service's containers have them."""
    (option,) = migrate_command._environment(context(tmp_path), "v1")
    assert option.startswith("PGOPTIONS=-c search_path=$user -c lock_timeout=")


def test_start_command_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's command and environment have single `$`; the image's entrypoint is used unchanged."""
    sent: list[bytes] = []

    def run(_host: Any, _image: str, command: Command) -> Completed:
        sent.append(command.stdin or b"")
        return Completed(command, 0, b'{"commands": [], "code": []}', b"", 0.1)

    monkeypatch.setattr(signs, "run_contained", run)
    signs.signs_of(context(tmp_path), "image", SERVICE)
    request = {"argv": ["/$$start", "serve", "--greeting=$HOME"], "path": "/a$b", "directory": "/srv/$x"}
    assert repr(json.dumps(request)).encode() in sent[0]


@pytest.mark.parametrize("config", ["", [], None, 7])
def test_engine_that_answers_odd_things(tmp_path: Path, config: Any) -> None:
    """An image configuration in the wrong form raises EngineError."""
    with pytest.raises(EngineError, match="does not report the start command of image → docker image inspect image"):
        signs.signs_of(context(tmp_path, config), "image", SERVICE)
