"""The effective configuration: Compose's reading of its files, its secrets, and the values that follow the tag."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.production.configuration import Configuration, Part, Value, configuration_with
from runbook.production.env_file import EnvFileOnHost
from tests.support.incident_parts import incident, production

ENV = "IMAGE_TAG=v2\nAPI=shop/api:${IMAGE_TAG}\nEXPORT_MODE=on\nLICENCE=4711 # HOME is no key\nTOKEN=17\n"
SERVICE = {
    "image": "r.example/api:v1",
    "environment": {
        "LOG_LEVEL": "INFO",
        "SEAT": "17",
        "DB_PASSWORD": "short",
        "DATABASE_URL": "postgres://a:p4ss$$word@db/shop",
    },
    "command": ["serve", "--licence", "listed-4711"],
    "ports": [{"target": 80, "published": "8080"}],
    "depends_on": {},
    "init": True,
}
PROJECT = {
    "name": "shop",
    "x-habits": {"restart": "always"},
    "services": {"api": SERVICE},
    "configs": {"motd": {"content": "hello"}},
    "secrets": {"key": {"file": "/srv/key"}},
}


def read(folder: Path, project: dict[str, Any] | None = None, files: tuple[str, ...] = ()) -> Configuration:
    """Return the configuration with which v1 would start, of a production whose env file names v2."""
    (folder / ".env").write_text(ENV)
    found = incident(folder)
    answers = {"version --short": "2.40.3\n", "config --format json": json.dumps(project or PROJECT)}
    site = production(folder, found, answers)
    site.invocation = replace(site.invocation, files=files)
    redactor = found.journal.redactor
    redactor.learn("LICENCE", "listed-4711")
    env_file = EnvFileOnHost(site, str(folder / ".env"), redactor, ["LICENCE"])
    return configuration_with(site, env_file, "v1", {"IMAGE_TAG", "EXPORT_MODE"})


def test_each_value_has_the_path_that_leads_to_it(tmp_path: Path) -> None:
    """Each value has its path: a list is one value, and `$$` is read as `$`.

    A file's path is not secret. A short secret of the env file is secret under every name.
    """
    rendered = read(tmp_path)[Part.RENDERED]
    shown = {key: value.text for key, value in rendered.items() if not value.secret}
    assert shown == {
        "name": "shop",
        "services.api.image": "r.example/api:v1",
        "services.api.environment.LOG_LEVEL": "INFO",
        "services.api.ports": '[{"published": "8080", "target": 80}]',
        "services.api.depends_on": "{}",
        "services.api.init": "true",
        "secrets.key.file": "/srv/key",
    }
    hidden = {key: value.text for key, value in rendered.items() if value.secret}
    assert hidden == {
        "services.api.environment.SEAT": "17",
        "services.api.environment.DB_PASSWORD": "short",
        "services.api.environment.DATABASE_URL": "postgres://a:p4ss$word@db/shop",
        "services.api.command": '["serve", "--licence", "listed-4711"]',
        "configs.motd.content": "hello",
    }


def test_env_file_as_the_tag_would_make_it(tmp_path: Path) -> None:
    """Every value of the env file is secret except the tag and the switches; shell variables are not listed."""
    assert read(tmp_path)[Part.ENV_FILE] == {
        "IMAGE_TAG": Value("v1"),
        "API": Value("shop/api:${IMAGE_TAG}", secret=True),
        "EXPORT_MODE": Value("on"),
        "LICENCE": Value("4711", secret=True),
        "TOKEN": Value("17", secret=True),
    }


def test_service_that_is_given_the_env_file_has_the_tag_too(tmp_path: Path) -> None:
    """A service with the tag in its environment gets the target's tag, and its other values stay."""
    environment = {"IMAGE_TAG": "v2", "EXPORT_MODE": "on", "OTHER": "v2"}
    project = {"services": {"api": {"environment": environment, "labels": {"IMAGE_TAG": "v2"}}}}
    assert {key: value.text for key, value in read(tmp_path, project)[Part.RENDERED].items()} == {
        "services.api.environment.IMAGE_TAG": "v1",
        "services.api.environment.EXPORT_MODE": "on",
        "services.api.environment.OTHER": "v2",
        "services.api.labels.IMAGE_TAG": "v2",
    }


def test_compose_files_by_their_hash(tmp_path: Path) -> None:
    """Compose files are compared by SHA-256, as `sha256sum` prints it, whatever their names."""
    files = ("docker-compose.yml", "deploy/odd\nname.yml")
    (tmp_path / "deploy").mkdir()
    for name in files:
        (tmp_path / name).write_text(name)
    found = read(tmp_path, files=files)
    assert found[Part.FILES] == {name: Value(hashlib.sha256(name.encode()).hexdigest()) for name in files}
    assert found[Part.VERSION] == {"docker compose": Value("2.40.3")}


def test_compose_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing Compose file is inconclusive, and is named."""
    with pytest.raises(Inconclusive, match=r"the Compose file gone\.yml does not exist"):
        read(tmp_path, files=("gone.yml",))
