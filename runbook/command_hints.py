"""The commands that a person types next (resume, plan again, render, enable), and the folder of the features."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook.text import visible

CHECKOUT = Path(__file__).resolve().parents[1]
#: Exists only in an installed package. setup.py creates it, with the files that pytest needs to run the features.
PACKAGED = Path(__file__).resolve().with_name("features")
SETTINGS, REPORTS = "runbook.toml", "reports"
#: The start of a run with the settings in their default place.
DEFAULT_INVOCATION = ("pytest", "features")
#: The short form of a run with the mark.
_MARKED = {"emergency": "emergency", "post_deploy": "validate", "pre_deploy": "validate"}
_OPTIONS = {"target": "--to"}
_BY_MARK = re.compile(r"-(emergency|restore)(-rehearsal)?(-[0-9]+)?\Z")


def resume_command(incident: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """Return the command that resumes an incident whose run was started as `begun`.

    >>> resume_command("20260101T000000Z-shop-emergency", "shop")
    'pytest features -m emergency --resume 20260101T000000Z-shop-emergency --execute shop'
    """
    found = _BY_MARK.search(incident)
    marks = ["-m", found[1]] if found else []
    return shown([*begun, *marks, "--resume", incident, "--execute", project])


def mark_of(kind: str) -> str:
    """Return the mark that selects an incident of that kind; empty for a rollback.

    >>> mark_of("emergency-rehearsal"), mark_of("rollback")
    ('emergency', '')
    """
    return next((mark for mark in ("emergency", "restore") if kind.startswith(mark)), "")


def command(begun: Sequence[str], *options: str) -> str:
    """Return the command for a run started as `begun`, with these options."""
    return shown([*begun, *options])


def render_command(journal: Path) -> str:
    """Return the command that renders a journal's page again, with this Python because it has the packages."""
    return visible(shlex.join([sys.executable or "python", "-m", "runbook", "render", str(journal)]))


def option_words(asked_for: Mapping[str, Any]) -> list[str]:
    """Return the options of the same request, each with its value.

    >>> option_words({"target": "v1", "override": ["2.3.4"]})
    ['--to', 'v1', '--override', '2.3.4']
    >>> option_words({"with_configuration": True})
    ['--with-configuration']
    """
    names = ("release", "expect", "target", "forward_fix", "accept_loss", "verdict", "strategy", "because", "enable",
             "disable", "dump", "detected_at", "impact", "severity")  # fmt: skip
    given = [(_OPTIONS.get(name, f"--{name.replace('_', '-')}"), asked_for.get(name)) for name in names]
    options = [word for option, value in given if value for word in (option, str(value))]
    known = ("with_configuration", "no_migrations", "close_gate_first")
    flags = [f"--{name.replace('_', '-')}" for name in known if asked_for.get(name)]
    options += [word for each in asked_for.get("override") or () for word in ("--override", str(each))]
    options += ["--hosts", ",".join(map(str, asked_for["hosts"]))] if asked_for.get("hosts") else []
    # Flags come after the options with values.
    return [*options, *flags]


def enable_command(switch: str, project: str, begun: Sequence[str] = DEFAULT_INVOCATION) -> str:
    """Return the command that turns a switch on again."""
    return shown([*begun, "-m", "emergency", "--enable", switch, "--execute", project])


def invocation(opened: Mapping[str, Any]) -> Sequence[str]:
    """Return the start of a run from its journal's first entry; the default if the entry has none."""
    begun = opened.get("typed")
    if isinstance(begun, list) and begun and all(isinstance(word, str) for word in begun):
        return begun
    return DEFAULT_INVOCATION


def installed() -> bool:
    """Tell whether this is the installed package, not the checkout."""
    return PACKAGED.is_dir()


def features() -> Path:
    """Return the folder of the features."""
    return PACKAGED if installed() else CHECKOUT / "features"


def program(name: str, started_in: Path) -> str:
    """Return how to type a program of this environment in that folder: its name, if the shell finds this program."""
    here = Path(sys.prefix) / "bin" / name
    found = shutil.which(name)
    if not here.is_file() or (found and Path(found).resolve() == here.resolve()):
        return name
    return min(str(here), os.path.relpath(here, started_in), key=len)


def without_usual(words: Sequence[str], started_in: Path) -> list[str]:
    """Return a pytest command line without the settings and reports that the short forms default to in that folder."""
    rest = list(words)
    for option, usual in (("--settings", SETTINGS), ("--reports", REPORTS)):
        place = rest.index(option) if str(PACKAGED) in rest and option in rest else -1
        if place >= 0 and rest[place + 1 : place + 2] == [str(started_in / usual)]:
            del rest[place : place + 2]
    return rest


def as_typed(words: Sequence[str]) -> list[str]:
    """Return a pytest command line as a person types it: a short form, if the features are packaged."""
    if str(PACKAGED) not in words:
        return list(words)
    rest = [word for word in words[1:] if word != str(PACKAGED)]
    name = "rollback" if any(word.partition("=")[0] == "--execute" for word in rest) else "plan"
    if "-m" in rest:
        place = rest.index("-m")
        name = _MARKED.get("".join(rest[place + 1 : place + 2]), "run")
        if name != "run":
            del rest[place : place + 2]
    return [program("runbook", Path.cwd()), name, *rest]


def shown(words: Sequence[str]) -> str:
    """Return a pytest command line as one line to type."""
    return visible(shlex.join(as_typed(words)))
