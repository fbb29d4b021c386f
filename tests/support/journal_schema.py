"""Checks journals against docs/journal.schema.json. Tests call it on every journal they make."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMA = Path(__file__).parents[2] / "docs" / "journal.schema.json"
FIRST, LAST = ["seq", "time", "kind"], ["previous", "sha256"]


def problems(journal: Path) -> list[str]:
    """Return the deviations from the schema, line by line.

    An incomplete last line, which a killed run may leave, is ignored.
    """
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [
        f"line {number}: {problem}"
        for number, line in enumerate(lines, start=1)
        for problem in _problems(json.loads(line))
    ]


def _problems(entry: dict[str, Any]) -> Iterator[str]:
    errors = list(_validator().iter_errors(entry))
    # If one member is wrong, the whole kind does not match, and all its members are reported as unexpected.
    error = best_match([error for error in errors if error.validator != "unevaluatedProperties"] or errors)
    if error is not None:
        yield f"{entry.get('kind')}: {error.json_path}: {error.message[:300]}"
    names = list(entry)
    if (names[:3], names[-2:]) != (FIRST, LAST):
        yield f"its members are in another order: {names}"
    if entry.get("kind") == "fact" and entry["name"] not in schema()["$defs"]["facts"]:
        yield f"a fact that docs/journal.schema.json does not know: {entry['name']!r}"


@cache
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


@cache
def _validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())
