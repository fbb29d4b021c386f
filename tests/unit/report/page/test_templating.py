"""Figures in words, as pages and terminals say them."""

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
    """Seconds, minutes, and hours for an incident that was gone on with the next day."""
    assert duration(seconds) == words


def rendered(folder: Path, text: str) -> str:
    """A template with that text, rendered by an environment that has just been made."""
    made = Environment(loader=DictLoader({"x": text}), bytecode_cache=Compiled(folder), autoescape=True)
    return made.get_template("x").render(name="<ada>")


def test_template_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it has another text."""
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
    """Nobody may write there, or Python was told to keep nothing."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path / "none", "{{ name }}") == "&lt;ada&gt;"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(tmp_path, "{{ name }}") == "&lt;ada&gt;"
    assert list(tmp_path.iterdir()) == []
