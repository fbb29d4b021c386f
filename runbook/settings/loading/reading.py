"""The settings file as text and as TOML; what keeps it from being either is told with its line."""

import tomllib
from pathlib import Path
from typing import Any

from runbook.errors import SettingsError
from runbook.settings.loading.places import placed


def text_of(path: Path) -> str:
    """Return the text of the file, without a byte order mark. Raises SettingsError where there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"no settings file at {path}",
            "have it written: runbook init; or copy docs/runbook.example.toml, or name yours with --settings PATH",
        ) from None
    except IsADirectoryError:
        raise SettingsError(
            f"{path} is a folder, and the settings are a file", f"type its name: {path / 'runbook.toml'}"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"the settings file {path} cannot be read ({error.strerror})", f"see who may read it: ls -l {path}"
        ) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{path}:{line}: not UTF-8: found the byte 0x{content[error.start]:02x}", "save the file as UTF-8"
        ) from None


def toml_of(path: Path, text: str) -> dict[str, Any]:
    """Return what the text says. Raises SettingsError with the line at which it stops being TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, words, helps = _wrong(text, str(error))
        raise SettingsError(f"{path}:{line}: {words}", helps) from None


def _wrong(text: str, error: str) -> tuple[int, str, str]:
    """The line of the first statement that does not go with those before it, what it is, and what helps."""
    lines, before = text.splitlines(), dict[Any, int]()
    begun = 1
    for begun, end, keys in placed(text):
        if end is None:
            break
        try:
            tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            twice = max((key for key in keys if key in before), key=len, default=())
            if twice:
                name = ".".join(map(str, twice))
                return begun, f"{name} stands twice: at line {before[twice]} already", "leave one of them out"
            break
        before = dict.fromkeys(keys, begun) | before
    helps = 'a string stands in quotes, a list in [ ], and each key on a line of its own: port = 8000, name = "shop"'
    return begun, f"not TOML: {error}", helps
