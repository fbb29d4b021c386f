"""Commands that a person types next: resume, plan again, render, enable."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook.text import visible

#: How a run is started with the settings in their usual place.
DEFAULT_INVOCATION = ("pytest", "features")
_OPTIONS = {"target": "--to"}
_EMERGENCY = re.compile(r"-emergency(-rehearsal)?(-[0-9]+)?\Z")


def resume_command(incident: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """Return the command that resumes an incident, whose run was started as `begun`.

    >>> resume_command("20260101T000000Z-shop-emergency", "shop")
    'pytest features -m emergency --resume 20260101T000000Z-shop-emergency --execute shop'
    """
    marks = ["-m", "emergency"] if _EMERGENCY.search(incident) else []
    return visible(shlex.join([*begun, *marks, "--resume", incident, "--execute", project]))


def command(begun: Sequence[str], *options: str) -> str:
    """Return the command for a run started as `begun`, with these options."""
    return visible(shlex.join([*begun, *options]))


def render_command(journal: Path) -> str:
    """Return the command that renders a journal's page again, with this Python, which has the packages."""
    return visible(shlex.join([sys.executable or "python", "-m", "runbook", "render", str(journal)]))


def option_words(asked_for: Mapping[str, Any]) -> list[str]:
    """Return the options that ask for the same again, each with its value.

    >>> option_words({"target": "v1", "override": ["2.3.4"]})
    ['--to', 'v1', '--override', '2.3.4']
    """
    names = ("target", "forward_fix", "accept_loss", "verdict", "because", "enable", "disable")
    given = [(_OPTIONS.get(name, f"--{name.replace('_', '-')}"), asked_for.get(name)) for name in names]
    options = [word for option, value in given if value for word in (option, str(value))]
    return [*options, *(word for each in asked_for.get("override") or () for word in ("--override", str(each)))]


def enable_command(switch: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """Return the command that turns a switch on again."""
    return visible(shlex.join([*begun, "-m", "emergency", "--enable", switch, "--execute", project]))


def invocation(opened: Mapping[str, Any]) -> Sequence[str]:
    """Return how a run was started, from its journal's first entry; the default when that does not say."""
    begun = opened.get("typed")
    if isinstance(begun, list) and begun and all(isinstance(word, str) for word in begun):
        return begun
    return DEFAULT_INVOCATION
