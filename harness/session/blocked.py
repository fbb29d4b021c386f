"""Plugins that the runbook needs and that were blocked with `-p no:`."""

import pytest

from harness.session.retyped import Typed

_OWN = ("harness", "steps", "rehearsal")
#: Third-party plugins that the harness needs to see what happens, or to record it.
_NEEDED = ("pytest-bdd", "html", "metadata", "terminal", "capture", "python")


def blocked(config: pytest.Config) -> list[str]:
    """Return one line per plugin that is blocked with `-p no:` although the runbook needs it."""
    return [f"-p no:{name}: the runbook needs this plugin" for name in _blocked(config)]


def unblocked(config: pytest.Config, typed: Typed) -> Typed:
    """Return the command that blocks none of them."""
    for name in _blocked(config):
        typed = typed.without_value("-p", f"no:{name}")
    return typed


def _blocked(config: pytest.Config) -> list[str]:
    names = dict.fromkeys(word[3:] for word in config.option.plugins if word.startswith("no:"))
    return [name for name in names if name in _NEEDED or name.partition(".")[0] in _OWN]
