"""Plugins that were left out with `-p no:`, though the runbook cannot do without them."""

import pytest

from harness.session.retyped import Typed

_OWN = ("harness", "steps", "rehearsal")
#: Those of others without which the runbook's own do not see what happens, or cannot keep it.
_NEEDED = ("pytest-bdd", "html", "metadata", "terminal", "capture", "python")


def blocked(config: pytest.Config) -> list[str]:
    """Say of each plugin that was left out with `-p no:` that the runbook cannot do without it."""
    return [f"-p no:{name}: the runbook does not see what happens without it" for name in _blocked(config)]


def unblocked(config: pytest.Config, typed: Typed) -> Typed:
    """The command that leaves none of them out."""
    for name in _blocked(config):
        typed = typed.without_value("-p", f"no:{name}")
    return typed


def _blocked(config: pytest.Config) -> list[str]:
    names = dict.fromkeys(word[3:] for word in config.option.plugins if word.startswith("no:"))
    return [name for name in names if name in _NEEDED or name.partition(".")[0] in _OWN]
