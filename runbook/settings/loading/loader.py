"""Load the settings file, or report all its mistakes at once, each with its line and what is allowed."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from runbook.errors import SettingsError
from runbook.settings.loading.across import problems_across
from runbook.settings.loading.overrides import overrides
from runbook.settings.loading.places import Key, lines_of
from runbook.settings.loading.problems import Problem, problems_of
from runbook.settings.loading.reading import text_of, toml_of
from runbook.settings.schema import Settings


def load(path: Path) -> Settings:
    """Load the settings file at `path`. Variables of this process may override its values.

    Raises SettingsError, with a line per mistake, when it is missing, not TOML, or has an unknown key or invalid value.
    """
    text = text_of(path)
    given = toml_of(path, text)
    overriding = overrides()
    whole = overriding.over(given)
    problems: list[Problem] = []
    try:
        found = Settings.model_validate(whole, context={"folder": path.absolute().parent})
    except ValidationError as error:
        problems = problems_of(error.errors(include_url=False, include_input=False), whole)
    problems += problems_across(whole, {problem.key[0] for problem in problems if problem.key})
    if not problems:
        return found
    lines, told = lines_of(text), []
    for problem in sorted(problems, key=lambda each: (_line(each.key, lines), each.name)):
        place = f"{path}:{_line(problem.key, lines)}"
        if variable := overriding.of(problem.key):
            place = f"environment variable {variable}"
        told.append(f"{place}: {problem.name}: {problem.said}")
    raise SettingsError("; ".join(told), "docs/settings.md explains every key", told)


def _line(key: Key, lines: Mapping[Key, int]) -> int:
    """Return the line of a key, or of the nearest table around it; 1 if the file has neither."""
    return next((lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in lines), 1)
