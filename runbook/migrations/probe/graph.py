"""Which revisions an image has, and which of them lie between two of them."""

from __future__ import annotations

import platform
import re
import sys
import warnings
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence  # noqa: UP035 - Python 3.8 wants these

from runbook.migrations.probe.isolation import Fatal, Told, reason
from runbook.migrations.probe.shapes import shape_of_function

ALEMBIC_WARNS = re.compile(r"present more than once|is not present")


def open_project(path: str, section: str) -> tuple[Any, Any]:
    """Return Alembic's Config and ScriptDirectory. Raises Fatal when the image has no such thing."""
    # The shell's `alembic` does not look in the working directory before its own libraries, and a folder of
    # migrations is often called `alembic`.
    here = [place for place in sys.path if place in ("", str(Path.cwd()))]
    sys.path[:] = [place for place in sys.path if place not in here]
    try:
        from alembic.config import Config  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it
        from alembic.script import ScriptDirectory  # type: ignore[import-not-found]  # noqa: PLC0415 - the same
    except ImportError as error:
        raise Fatal(f"Python {platform.python_version()} ({sys.executable}) cannot import Alembic: {error}") from error
    sys.path.insert(0, str(Path.cwd()))
    if not Path(path).is_file():
        raise Fatal(f"there is no file {path} in {Path.cwd()}")
    try:
        config = Config(path, ini_section=section)
        return config, ScriptDirectory.from_config(config)
    except Exception as error:
        raise Fatal(f"{path}, section [{section}]: {reason(error)}") from error


def versions() -> dict[str, str]:
    """Name the versions on which every other answer depends."""
    import alembic  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it
    import sqlalchemy  # type: ignore[import-not-found]  # noqa: PLC0415 - the same

    return {
        "python": platform.python_version(),
        "alembic": str(alembic.__version__),
        "sqlalchemy": str(sqlalchemy.__version__),
    }


def read_graph(scripts: Any) -> dict[str, Any]:
    """Describe every revision, newest first. Raises Told when Alembic cannot make a graph of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            revisions = [_described(script) for script in scripts.walk_revisions()]
            heads, bases = sorted(scripts.get_heads()), sorted(scripts.get_bases())
        except Exception as error:
            raise Told("; ".join([*_warned(caught), reason(error)])) from error
    if warned := _warned(caught):  # which of two files of one name counts is chance, and Alembic goes on
        raise Told("; ".join(warned))
    return {"heads": heads, "bases": bases, "revisions": revisions}


def _warned(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    texts = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return [text for text in texts if ALEMBIC_WARNS.search(text)]


def _described(script: Any) -> dict[str, Any]:
    return {
        "revision": script.revision,
        "down": _names(script.down_revision),
        # As the file names them: branch labels and shortened ids stay out of what counts.
        "depends_on": _names(getattr(script, "_resolved_dependencies", script.dependencies)),
        "labels": sorted(_names(script.branch_labels)),
        "title": (script.doc or "").strip().split("\n")[0][:200],
        "file": Path(script.path).name,
    }


def _names(value: Any) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]


def builds_upon(revisions: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Return each revision, in the order given, with those that must be there before it."""
    return {item["revision"]: [*item["down"], *item["depends_on"]] for item in revisions}


def between(upon: Mapping[str, Sequence[str]], lower: str, upper: str) -> list[str]:
    """Return what must be undone to come from `upper` back to `lower` (or `base`), in the order of `upon`.

    That is everything that `upper` builds upon or depends on, and `lower` does not. Raises Told when `upon` lacks
    one of them, or `upper` does not build upon `lower`.
    """
    for name in (lower, upper):
        if name not in upon and not (name == "base" and name == lower):
            raise Told(f"the image has no revision {name}")
    above, below = with_ancestors(upper, upon), with_ancestors(lower, upon)
    if lower != "base" and lower not in above:
        raise Told(f"revision {upper} does not build upon {lower}")
    return [name for name in upon if name in above - below]


def with_ancestors(revision: str, upon: Mapping[str, Sequence[str]]) -> set[str]:
    """Return a revision with all that must be there before it."""
    found: set[str] = set()
    left = [revision] if revision in upon else []
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [other for other in upon[name] if other in upon]
    return found


def shapes(scripts: Any, revisions: Iterable[str]) -> list[dict[str, Any]]:
    """Describe both functions of each revision."""
    found = []
    for name in revisions:
        module = scripts.get_revision(name).module
        functions = {kind: shape_of_function(module, kind) for kind in ("upgrade", "downgrade")}
        found.append({"revision": name, **functions})
    return found
