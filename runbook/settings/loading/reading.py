"""The settings file as text and as TOML, with the line of the first error."""

import tomllib
from pathlib import Path
from typing import Any

from runbook.errors import SettingsError
from runbook.settings.loading.places import placed


def text_of(path: Path) -> str:
    """Return the text of the file, without a byte order mark. Raises SettingsError when it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"no settings file at {path}",
            "write one with runbook init; or copy docs/runbook.example.toml, or name yours with --settings PATH",
        ) from None
    except IsADirectoryError:
        raise SettingsError(
            f"{path} is a folder, not a settings file", f"type its name: {path / 'runbook.toml'}"
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
    """Parse the text. Raises SettingsError with the line of the first statement that is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, words, helps = _wrong(text, str(error))
        raise SettingsError(f"{path}:{line}: {words}", helps) from None


def _wrong(text: str, error: str) -> tuple[int, str, str]:
    """Return the line of the first statement that is invalid after those before it, the error, and the advice."""
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
                return begun, f"{name} is set twice, first at line {before[twice]}", "remove one of them"
            break
        before = dict.fromkeys(keys, begun) | before
    helps = 'a string needs quotes, a list [ ], and each key its own line: port = 8000, name = "shop"'
    return begun, f"not TOML: {error}", helps
