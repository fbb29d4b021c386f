"""The surroundings that a project's env.py expects: secrets mounted as files, and a Flask application."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from pathlib import Path
from typing import Any

SECRETS = "/run/secrets/"
PLACEHOLDER = "placeholder"


def offer_secrets() -> None:
    """Patch `open` so that a secret file that exists only in production reads as a placeholder."""
    genuine = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        try:
            return genuine(file, mode, *arguments, **options)
        except FileNotFoundError:
            path = os.fsdecode(file) if isinstance(file, (str, bytes, os.PathLike)) else ""
            if not path.startswith(SECRETS) or set(mode) & set("wax+"):
                raise
            return io.BytesIO(PLACEHOLDER.encode()) if "b" in mode else io.StringIO(PLACEHOLDER)

    builtins.open = io.open = opened


def application_of(folder: str) -> Any:
    """Return the context of the Flask application that the env.py in `folder` uses, or an empty context."""
    try:
        text = (Path(folder) / "env.py").read_text(encoding="utf-8")
    except OSError:
        return contextlib.ExitStack()
    if "current_app" not in text:
        return contextlib.ExitStack()
    from flask.cli import ScriptInfo  # noqa: PLC0415 - only images have it

    return ScriptInfo().load_app().app_context()
