"""The secrets of production, in Compose's resolved configuration and in its containers."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ProductionError
from runbook.production.env_file import EnvFileOnHost
from runbook.production.secrets import secrets_of
from runbook.secrets.redactor import Redactor
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import production
from tests.support.parts import Heard

PROJECT: dict[str, Any] = {
    "services": {
        "api": {
            "environment": {
                "DATABASE_URL": "postgres://shop:joined-$$ecret@db/shop",
                "LITERAL_TOKEN": "literal-$$ecret",
                "EMPTY_TOKEN": None,
                "MODE": "quite-public",
            },
            "build": {"args": {"NPM_TOKEN": "built-secret"}},
            "command": ["serve", "--cache", "redis://:command-secret@cache:6379"],
        },
        "debug": {"profiles": ["debug"], "environment": {"PLAIN": "listed-secret"}},
        "bare": None,
    },
    "configs": {"tuning": {"environment": "TUNING"}, "text": {"content": "no secret"}},
    "secrets": {"login": {"environment": "LOGIN_OF"}, "key": {"file": "KEY_FILE"}},
}
CONTAINERS: list[dict[str, Any]] = [
    {"Config": {"Env": ["LITERAL_TOKEN=rotated-secret", "PATH=/bin", "odd"], "Cmd": ["curl", "http://u:cmd-secret@x"]}},
    {"Config": {"Env": None}},
]
SECRET = [
    "joined-$ecret", "literal-$ecret", "built-secret", "command-secret", "listed-secret", "tuning-secret",
    "login-$ecret", "filed-secret", "rotated-secret", "cmd-secret",
]  # fmt: skip


def site(folder: Path, heard: Heard, engine: FakeEngine | None = None, **answers: str) -> tuple[Any, EnvFileOnHost]:
    (folder / ".env").write_text("TUNING=tuning-secret\nLOGIN_OF=login-$ecret\n")
    (folder / "key").write_text("filed-secret\n")
    config = json.dumps(PROJECT).replace("KEY_FILE", str(folder / "key"))
    said = {"config --format json": config} | answers
    ours = {"com.docker.compose.project": "shop"}
    held = [container(f"c{number}", labels=ours, **each) for number, each in enumerate(CONTAINERS)]
    engine = engine or FakeEngine(held)
    found = production(folder, heard, {words: answer for words, answer in said.items() if answer}, engine)
    return found, EnvFileOnHost(found, str(folder / ".env"), Redactor(), ())


def test_every_secret_is_known(tmp_path: Path) -> None:
    """Every secret that reaches a container is known, whichever way it gets there; other values are not."""
    heard, redactor = Heard(), Redactor()
    redactor.learn_all(secrets_of(*site(tmp_path, heard), ["PLAIN"]))
    for secret in SECRET:
        assert secret not in redactor.text(f"it says {secret} here"), secret
    for plain in ("quite-public", "no secret", "serve"):
        assert redactor.text(f"it says {plain} here") == f"it says {plain} here"
    assert all(done.command.secret_output for done in heard.ended if any(s.encode() in done.stdout for s in SECRET))
    assert not any(secret in str(done.command) for done in heard.ended for secret in SECRET)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        pytest.param({"config --format json": ""}, "its secrets are unknown", id="no-config"),
        pytest.param({"config --format json": "{"}, "secrets are unknown", id="no-json"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path: Path, answers: dict[str, str], words: str) -> None:
    """If Compose's configuration cannot be read, its secrets are unknown, and the run is refused."""
    with pytest.raises(ProductionError, match=words):
        list(secrets_of(*site(tmp_path, Heard(), None, **answers), ()))


@pytest.mark.parametrize("path", ["/containers/json", "/containers/c0/json"])
def test_containers_that_cannot_be_listed_are_refused(tmp_path: Path, path: str) -> None:
    """If the engine's answer about containers is unreadable, their secrets are unknown, and the run is refused."""
    engine = FakeEngine([{"Id": "c0", "Config": {"Labels": {"com.docker.compose.project": "shop"}}}])
    engine.instead = lambda asked: b"{" if asked.partition("?")[0] == path else None
    with pytest.raises(ProductionError, match="the containers cannot be listed, so their secrets are unknown"):
        list(secrets_of(*site(tmp_path, Heard(), engine), ()))


def test_file_of_a_secret_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing secret file is ignored; one that exists but cannot be read is an error."""
    found = site(tmp_path, Heard())
    (tmp_path / "key").unlink()
    assert list(secrets_of(*found, ()))
    (tmp_path / "key").mkdir()
    with pytest.raises(ProductionError, match=r"/key of production's secrets cannot be read: .* → .* ls -l /"):
        list(secrets_of(*found, ()))
