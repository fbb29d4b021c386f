"""Durations in words, and the cache of compiled templates."""

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from runbook.report.page.templating import Compiled, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (7199, "119 min 59 s"),
        (7200, "2 h 0 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """A duration is in seconds, minutes or hours, and in hours beyond a day."""
    assert duration(seconds) == words


def rendered(folder: Path, text: str) -> str:
    """Return `text` as a template, rendered by a new environment."""
    made = Environment(loader=DictLoader({"x": text}), bytecode_cache=Compiled(folder), autoescape=True)
    return made.get_template("x").render(name="<ada>")


def test_template_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template is compiled again only if its text has changed."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path, "Hello {{ name }}") == "Hello &lt;ada&gt;"
    (kept,) = tmp_path.iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(Environment, "compile", lambda *_: pytest.fail("it was compiled again"))
    assert rendered(tmp_path, "Hello {{ name }}") == "Hello &lt;ada&gt;"
    monkeypatch.undo()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path, "Bye {{ name }}") == "Bye &lt;ada&gt;"
    assert kept.read_bytes() != before


def test_template_is_rendered_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates work without a cache: in a folder that cannot be written, or if Python writes no bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path / "none", "{{ name }}") == "&lt;ada&gt;"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(tmp_path, "{{ name }}") == "&lt;ada&gt;"
    assert list(tmp_path.iterdir()) == []
