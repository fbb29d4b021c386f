"""What a person types to go on with an incident."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook.text import visible

#: How the runbook is begun where it lies, with its settings in their usual place.
DEFAULT_INVOCATION = ("pytest", "features")
_OPTIONS = {"target": "--to"}
_EMERGENCY = re.compile(r"-emergency(-rehearsal)?(-[0-9]+)?\Z")


def resume_command(incident: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """The command that goes on with an incident; its name tells one of chapter 4, which is asked for by its mark.

    `begun` is how the run was begun that is gone on with.
    """
    marks = ["-m", "emergency"] if _EMERGENCY.search(incident) else []
    return visible(shlex.join([*begun, *marks, "--resume", incident, "--execute", project]))


def command(begun: Sequence[str], *options: str) -> str:
    """The command for a run that begins as `begun` did, with these options."""
    return visible(shlex.join([*begun, *options]))


def render_command(journal: Path) -> str:
    """The command that makes the page of a journal anew, with this very Python: it has what that takes."""
    return visible(shlex.join([sys.executable or "python", "-m", "runbook", "render", str(journal)]))


def option_words(asked_for: Mapping[str, Any]) -> list[str]:
    """The options that ask for what a run was asked for, each with its value."""
    names = ("target", "forward_fix", "accept_loss", "verdict", "because", "enable", "disable")
    given = [(_OPTIONS.get(name, f"--{name.replace('_', '-')}"), asked_for.get(name)) for name in names]
    options = [word for option, value in given if value for word in (option, str(value))]
    return [*options, *(word for each in asked_for.get("override") or () for word in ("--override", str(each)))]


def enable_command(switch: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """The command that turns a switch on again."""
    return visible(shlex.join([*begun, "-m", "emergency", "--enable", switch, "--execute", project]))


def invocation(opened: Mapping[str, Any]) -> Sequence[str]:
    """How a run was begun, by its journal's first entry; in the usual way where that does not say it."""
    begun = opened.get("typed")
    if isinstance(begun, list) and begun and all(isinstance(word, str) for word in begun):
        return begun
    return DEFAULT_INVOCATION
