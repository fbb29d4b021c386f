"""Env-file lines compared with `docker compose config`: each value, and the result of changing it."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.production.env_file import EnvFileOnHost
from runbook.secrets.redactor import Redactor
from tests.engine.env_lines import named, statements
from tests.support.parts import production

BOM = b"\xef\xbb\xbf"
NEW = "2026-01-31-rc2"
CASES = [named(statement, number) for number, statement in enumerate(statements())]


def compose(folder: Path, *arguments: str) -> str:
    """Return Compose's output for the project in that folder."""
    argv = ("docker", "compose", "-p", "shop", "--env-file", ".env", *arguments)
    kept = ("PATH", "HOME", "DOCKER_CONFIG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout


def truth(folder: Path, names: list[str]) -> dict[str, str]:
    """Return what Compose substitutes for `${NAME}`, for each of these names that can be used there."""
    asked = {name: "${" + name + "-(not set)}" for name in names}
    project = {"services": {"api": {"image": "api", "environment": asked}}}
    (folder / "project.json").write_text(json.dumps(project))
    found: dict[str, str] = json.loads(compose(folder, "-f", "project.json", "config", "--format", "json"))["services"][
        "api"
    ]["environment"]
    return {name: value.replace("$$", "$") for name, value in found.items() if value != "(not set)"}


def on_host(folder: Path, content: bytes, **project: Any) -> EnvFileOnHost:
    (folder / ".env").write_bytes(content)
    return EnvFileOnHost(production(folder, **project), str(folder / ".env"), Redactor(), ())


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def unmarked(text: str) -> str:
    return text.replace("«", "").replace("»", "")


def test_there_are_enough_lines() -> None:
    """The list has at least 105 lines."""
    assert len(CASES) >= 105


@pytest.mark.parametrize("front", [pytest.param(b"", id="plain"), pytest.param(BOM, id="byte-order-mark")])
def test_no_value_differs(tmp_path: Path, front: bytes) -> None:
    """Every value is the one that Compose substitutes."""
    there = on_host(tmp_path, front + as_bytes("\n".join(unmarked(text) for text, _ in CASES)))
    read = there.read().values
    by_name = truth(tmp_path, [name for name in read if name.replace("_", "").isalnum()])
    assert len(by_name) >= 105
    assert {name: read[name] for name in by_name} == by_name
    listed = compose(tmp_path, "-f", "project.json", "config", "--environment")
    shown = dict(line.split("=", 1) for line in listed.split("\n") if "=" in line)
    assert {name: shown[name] for name in read.keys() - by_name.keys()} == {
        name: value for name, value in read.items() if name not in by_name
    }
    assert all(name in read for text, name in CASES if "«" in text)


def test_every_change_is_right(tmp_path: Path) -> None:
    """Each value is replaced in place. Every other byte and every other value stays the same."""
    pieces = [text for text, _ in CASES]
    there = on_host(tmp_path, as_bytes("\n".join(map(unmarked, pieces))))
    env_file = there.read()
    before = dict(env_file.values)
    changed = set()
    for number, (text, name) in enumerate(CASES):
        if "«" not in text:
            continue
        start, _, rest = text.partition("«")
        # Exactly the old value's place.
        pieces[number] = f"{start}{NEW}{rest.partition('»')[2]}"
        content = there.with_value(env_file, name, NEW)
        assert content == as_bytes("\n".join(map(unmarked, pieces))), text
        changed.add(name)
        following = {
            f"{name}AFTER": value.replace("v1", NEW) for value in [env_file.values.get(f"{name}AFTER")] if value
        }
        env_file = replace(env_file, content=content, values=env_file.values | {name: NEW} | following)
    (tmp_path / ".env").write_bytes(env_file.content)
    read = there.read().values
    assert read == env_file.values
    by_name = truth(tmp_path, [name for name in read if name.replace("_", "").isalnum()])
    assert {name: read[name] for name in by_name} == by_name
    assert {read[name] for name in changed} == {NEW}
    made_from_them = {name for name in before if name.endswith("AFTER")}
    assert len(made_from_them) == 2
    assert {name: value for name, value in read.items() if name not in changed | made_from_them} == {
        name: value for name, value in before.items() if name not in changed | made_from_them
    }
