"""An image's revision graph, and the revisions between two of them."""

from __future__ import annotations

import argparse
import os
import platform
import re
import stat
import sys
import warnings
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence  # noqa: UP035 - Python 3.8 needs these

from runbook.migrations.image.inside.function_shapes import shape_of_function
from runbook.migrations.image.inside.isolation import Fatal, ProbeError, reason

ALEMBIC_WARNS = re.compile(r"present more than once|is not present")


def load_alembic() -> tuple[Any, Any, Any]:
    """Import Alembic and return CommandLine, Config and ScriptDirectory. Raises Fatal when the import fails.

    Like the `alembic` command, the import ignores the working directory, where the migrations folder is often called
    `alembic` too.
    """
    here = [place for place in sys.path if place in ("", str(Path.cwd()))]
    sys.path[:] = [place for place in sys.path if place not in here]
    try:
        from alembic.config import CommandLine, Config  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it
        from alembic.script import ScriptDirectory  # type: ignore[import-not-found]  # noqa: PLC0415 - the same
    except ImportError as error:
        raise Fatal(f"Python {platform.python_version()} ({sys.executable}) cannot import Alembic: {error}") from error
    return CommandLine, Config, ScriptDirectory


def open_project(path: str, section: str, places: Sequence[str] | None = None) -> tuple[Any, Any]:
    """Return Alembic's Config and ScriptDirectory, as `alembic -c PATH` builds them. Raises Fatal when that fails.

    `places` overrides the configured revision folders.
    """
    command_line, config_of, script_directory = load_alembic()
    sys.path.insert(0, str(Path.cwd()))
    files = _files(path, command_line)
    present = [file for file in files if _readable(file)]
    if not present:
        raise Fatal(f"there is no file {path} in {Path.cwd()}")
    try:
        more = {"toml_file": files[1]} if len(files) > 1 else {}
        config = config_of(files[0], ini_section=section, **more)
        beside = Path(files[0]).parent
        # Ask for an option only with an ini file: without one, Alembic raises.
        if (
            present == [files[0]]
            and config.get_main_option("script_location") is None
            and (beside / "env.py").is_file()
        ):
            # Flask-Migrate's ini file does not name the script folder: it is the ini file's folder.
            config.set_main_option("script_location", str(beside))
        scripts = script_directory.from_config(config)
    except Exception as error:
        raise Fatal(f"{' and '.join(present)}, section [{section}]: {reason(error)}") from error
    if places is not None:
        scripts.version_locations = list(places)
    return config, scripts


def _files(path: str, command_line: Any) -> tuple[str, ...]:
    """Return the files that `alembic -c PATH` reads: the ini file and, since Alembic 1.16, a pyproject.toml."""
    if hasattr(command_line, "_inis_from_config"):
        toml, ini = command_line()._inis_from_config(argparse.Namespace(config=[path]))  # noqa: SLF001 - no public way
        return str(ini), str(toml)
    if Path(path).name == "pyproject.toml":
        import alembic  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it

        raise Fatal(f"Alembic {alembic.__version__} does not read {path}: that needs Alembic 1.16 or later")
    return (path,)


def _readable(path: str) -> bool:
    """Return whether a file or folder exists. Raises Fatal when it is unreadable, which Alembic treats as empty."""
    try:
        status = Path(path).stat()
    except PermissionError as error:
        raise Fatal(f"the image's user {os.getuid()} may not access {path}") from error
    except OSError:
        return False
    if not os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(status.st_mode) else 0)):
        raise Fatal(f"the image's user {os.getuid()} may not read {path}")
    return True


def named_after(config: Any, scripts: Any) -> dict[str, list[str] | None]:
    """Return the revision folders after env.py has run: those set on `scripts`, and those in the configuration."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - only images have it

    plain = scripts.version_locations
    configured = ScriptDirectory.from_config(config).version_locations
    return {name: [str(place) for place in found or ()] for name, found in (("own", plain), ("configured", configured))}


def names_places(scripts: Any) -> bool:
    """Return whether env.py mentions `version_locations`, or cannot be read."""
    try:
        return "version_locations" in Path(scripts.dir, "env.py").read_text(errors="replace")
    except OSError:
        return True


def versions() -> dict[str, str]:
    """Return the versions of Python, Alembic and SQLAlchemy."""
    import alembic  # noqa: PLC0415 - only images have it
    import sqlalchemy  # type: ignore[import-not-found]  # noqa: PLC0415 - the same

    return {
        "python": platform.python_version(),
        "alembic": str(alembic.__version__),
        "sqlalchemy": str(sqlalchemy.__version__),
    }


def read_graph(scripts: Any) -> dict[str, Any]:
    """Describe every revision, newest first. Raises ProbeError when Alembic cannot build the graph."""
    for folder in scripts._version_locations:  # noqa: SLF001 - Alembic silently skips an unreadable folder
        _readable(str(folder))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            revisions = [_described(script) for script in scripts.walk_revisions()]
            heads, bases = sorted(scripts.get_heads()), sorted(scripts.get_bases())
        except Exception as error:
            raise ProbeError("; ".join([*_warned(caught), reason(error)])) from error
    if warned := _warned(caught):  # if two files define one revision, Alembic only warns and uses either
        raise ProbeError("; ".join(warned))
    return {"heads": heads, "bases": bases, "revisions": revisions}


def _warned(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    texts = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return [text for text in texts if ALEMBIC_WARNS.search(text)]


def _described(script: Any) -> dict[str, Any]:
    return {
        "revision": script.revision,
        "down": _names(script.down_revision),
        # Resolved to revision IDs, because a file may use branch labels and shortened IDs.
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
    """Return for each revision, in the given order, the revisions that must precede it."""
    return {item["revision"]: [*item["down"], *item["depends_on"]] for item in revisions}


def between(upon: Mapping[str, Sequence[str]], lower: str, upper: str) -> list[str]:
    """Return the revisions to undo on the way from `upper` down to `lower` (or `base`), in the order of `upon`.

    They are `upper` and its ancestors, without `lower` and its ancestors. Raises ProbeError when `upon` lacks one of
    the two, or when `lower` is not an ancestor of `upper`.
    """
    for name in (lower, upper):
        if name not in upon and not (name == "base" and name == lower):
            raise ProbeError(f"the image has no revision {name}")
    above, below = with_ancestors(upper, upon), with_ancestors(lower, upon)
    if lower != "base" and lower not in above:
        raise ProbeError(f"revision {lower} is not an ancestor of {upper}")
    return [name for name in upon if name in above - below]


def with_ancestors(revision: str, upon: Mapping[str, Sequence[str]]) -> set[str]:
    """Return a revision and all its ancestors."""
    found: set[str] = set()
    pending = [revision] if revision in upon else []
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [other for other in upon[name] if other in upon]
    return found


def shapes(scripts: Any, revisions: Iterable[str]) -> list[dict[str, Any]]:
    """Describe both functions of each revision."""
    found = []
    for name in revisions:
        module = scripts.get_revision(name).module
        functions = {kind: shape_of_function(module, kind) for kind in ("upgrade", "downgrade")}
        found.append({"revision": name, **functions})
    return found
