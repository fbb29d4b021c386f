"""`python -m runbook assess`: judge a file of SQL. The verdict is printed as text or JSON, and is the exit code."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from runbook.errors import ModelsError
from runbook.migrations.image.mapped_models import Models, models_from_json
from runbook.migrations.verdict.findings import Assessment, Verdict
from runbook.migrations.verdict.judge import judge
from runbook.migrations.verdict.statements import shortened

EXIT_CODES = {Verdict.UNCHANGED: 0, Verdict.ADDITIVE: 0, Verdict.BREAKING: 3, Verdict.REVIEW: 4}
_MEANS = {
    Verdict.UNCHANGED: "the SQL changes nothing that the target's code could notice",
    Verdict.ADDITIVE: "the target's code can live with the schema",
    Verdict.BREAKING: "the target's code cannot live with the schema",
    Verdict.REVIEW: "a human must decide whether the target's code can live with the schema",
}
_MOST_BYTES = 64_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `assess`."""
    parser.add_argument(
        "--upgrade-sql", required=True, metavar="FILE", help="the upgrades' SQL; - reads standard input"
    )
    parser.add_argument(
        "--models", metavar="FILE.json", help="the models of the target's code; without it less is certain"
    )
    parser.add_argument("--dialect", default="postgresql", help="the SQL's dialect (default: postgresql)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of words")
    parser.set_defaults(run=assess)


def assess(chosen: argparse.Namespace) -> int:
    """Judge the SQL that the options name, print the verdict, and return the exit code. Raises ModelsError."""
    models: Models | None = None
    if chosen.models is not None:
        models = models_from_json(_read(chosen.models))
    found = judge(_text(_read(chosen.upgrade_sql), chosen.upgrade_sql), models, chosen.dialect)
    told = json.dumps(as_object(found), indent=2) if chosen.json else "\n".join(as_lines(found))
    sys.stdout.write(_printable(told) + "\n")
    return EXIT_CODES[found.verdict]


def as_object(found: Assessment) -> dict[str, Any]:
    """Return an assessment as a JSON object."""
    keys = ("verdict", "statement", "object", "reason", "times")
    return {
        "verdict": found.verdict,
        "findings": [{key: getattr(each, key) for key in keys} for each in found.findings],
    }


def as_lines(found: Assessment) -> list[str]:
    """Return an assessment in words: the verdict, then the findings, starting with those that decided the verdict."""
    lines = [f"{found.verdict}: {_MEANS[found.verdict]}"]
    for each in sorted(found.findings, key=lambda finding: finding.verdict is not found.verdict):
        times = f" (and {each.times - 1:,} more like it)" if each.times > 1 else ""
        lines += [
            "",
            f"{each.verdict}: {shortened(each.object)}",
            f"  {shortened(each.reason, 600)}",
            f"  in: {shortened(each.statement)}{times}",
        ]
    return lines


def _printable(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _read(name: str) -> bytes:
    try:
        if name == "-":
            found = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                found = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is not a file name"
        raise ModelsError(f"{shortened(name)} cannot be read: {why}", "name a readable file, or -") from None
    if len(found) > _MOST_BYTES:
        raise ModelsError(f"{shortened(name)} has more than {_MOST_BYTES:,} bytes", "pass the SQL of fewer migrations")
    return found


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelsError(f"{shortened(name)} is not UTF-8 at byte {error.start}", "save it as UTF-8") from None
