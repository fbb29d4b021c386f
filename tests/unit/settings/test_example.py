"""The example and the JSON Schema match the code: every key is there, and every default is right."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from runbook.cli.check_settings import json_schema
from runbook.settings.application import SwitchSettings
from runbook.settings.loading.loader import load
from runbook.settings.loading.problems import keys_at
from runbook.settings.people import GitHubTicket
from runbook.settings.review import Link
from runbook.settings.schema import Settings
from runbook.settings.target_sources import GitHubSource, GitLabSource, LogSource

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "docs" / "runbook.example.toml").read_text(encoding="utf-8")
#: Sections of the example whose model is not the annotation in `Settings`, with their model.
_ELSEWHERE: dict[str, type[BaseModel]] = {
    "ticket": GitHubTicket,
    "switches.exports": SwitchSettings,
    "targets.logs": LogSource,
    "targets.github": GitHubSource,
    "targets.gitlab": GitLabSource,
    "review.links": Link,
}
#: Defaults that depend on other keys. The example says so next to them.
_BY_OTHERS = {
    "health.host_header",
    "health.service",
    "migrations.service",
    "logs.services",
    "switches.exports.services",
}


def model_of(section: str) -> type[BaseModel]:
    if section in _ELSEWHERE:
        return _ELSEWHERE[section]
    annotation = Settings.model_fields[section].annotation
    options = [annotation, *get_args(annotation)]
    return next(each for each in options if isinstance(each, type) and issubclass(each, BaseModel))


def sections() -> dict[str, str]:
    """Return the lines of each section, including sections whose header is commented out."""
    parts = re.split(r"^#?\[\[?([a-z_.]+)\]\]?$", EXAMPLE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def keys_of(lines: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return each key of a section: whether it is commented out, its value, and the comment above it."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for block in re.split(r"\n\n+", lines):
        about = "\n".join(line for line in block.splitlines() if line.startswith("# "))
        for mark, key, value in re.findall(r"^(#?)([a-z_]+) = (.+)$", block, flags=re.MULTILINE):
            found.setdefault(key, []).append((mark, value, about))
    return found


@pytest.mark.parametrize("section", [name for name in Settings.model_fields if name != "kind"])
def test_every_key_is_in_the_example(section: str) -> None:
    """The example has every key of the section, and no other."""
    name = "switches.exports" if section == "switches" else section
    known = set(model_of(name).model_fields) - {"logs", "github", "gitlab", "links"}
    assert set(keys_of(sections()[name])) == known
    assert known <= keys_at((section,)) or section == "switches"


@pytest.mark.parametrize("section", [name for name in sections() if "targets." not in name])
def test_every_default_is_the_code_s(section: str) -> None:
    """A commented-out key shows its default, unless the comment says otherwise."""
    fields = model_of(section).model_fields
    for key, told in keys_of(sections()[section]).items():
        mark, value, about = told[0]
        default = fields[key].get_default(call_default_factory=True)
        if not mark or "o default" in about or "default is" in about or f"{section}.{key}" in _BY_OTHERS:
            continue
        if default is None or default is PydanticUndefined:
            continue
        written: Any = tomllib.loads(f"x = {value}")["x"]
        assert written == (list(default) if isinstance(default, tuple) else default), f"{section}.{key}"


def test_schema_is_the_code_s() -> None:
    """docs/settings.schema.json is the output of `runbook settings --schema`, and the example is valid."""
    written = json.loads((ROOT / "docs" / "settings.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(json_schema()))
    Draft202012Validator.check_schema(written)
    validator = Draft202012Validator(written)
    assert list(validator.iter_errors(tomllib.loads(EXAMPLE))) == []
    assert list(validator.iter_errors({"project": {"name": "Shop!", "directory": "/srv/shop"}})) != []


@pytest.mark.parametrize("example", ["django", "flask", "node"])
def test_settings_of_the_examples_load(example: str) -> None:
    """The settings in docs/examples, written by `runbook init`, still load."""
    settings = load(ROOT / "docs" / "examples" / example / "runbook.toml")
    assert settings.migrations.tool == ("own" if example == "django" else "alembic")
    assert (settings.database is None) is (example == "node")
