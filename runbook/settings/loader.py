"""Load the settings file, with one line about the first problem in it."""

import difflib
import tomllib
from pathlib import Path

from pydantic import BaseModel, ValidationError

from runbook.errors import SettingsError
from runbook.settings.schema import Settings


def load(path: Path) -> Settings:
    """Load the settings file at `path`.

    Raises SettingsError, naming the key, when it is missing, not TOML, or has an unknown key or a wrong value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"no settings file at {path}",
            "copy docs/runbook.example.toml to runbook.toml, or name yours with --settings PATH",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the settings file {path} cannot be read ({error})", "correct that and try again"
        ) from None
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}", "correct that line") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {_first_problem(error)}", "docs/settings.md lists every key") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    # A misspelt key is also a missing one; the spelling helps more.
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown key" + _did_you_mean(first["loc"])
    elif first["type"] == "missing":
        message = "is missing"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{key}: {message}{more}"


def _did_you_mean(location: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return ""
        model = field.annotation
    close = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""
