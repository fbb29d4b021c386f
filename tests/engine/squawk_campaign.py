"""Compare Squawk's rules with the verdict, on the labelled migrations: `python -m tests.engine.squawk_campaign`.

Squawk is a linter for migrations, and knows no models: https://squawkhq.com/docs/rules. Only its rules about breaking
clients count; the others are about locks and style. It is not part of the product: `pip install squawk-cli` into any
environment whose `bin` is in PATH.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable

from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.judge import judge
from tests.support.labelled_migrations import LABELLED, score
from tests.support.migrations_table import Row
from tests.support.project_migrations import PROJECTS

CLIENTS_BREAK = {
    "adding-required-field", "adding-not-nullable-field", "ban-drop-column", "ban-drop-table", "ban-drop-database",
    "ban-truncate-cascade", "changing-column-type", "renaming-column", "renaming-table",
}  # fmt: skip


def verdict_of_squawk(program: str, row: Row) -> Verdict:
    """Return breaking if one of the rules about clients is broken, else additive: Squawk has no third answer."""
    argv = [program, "--reporter", "json", "--stdin-filepath", "up.sql"]
    done = subprocess.run(argv, input=row.sql, capture_output=True, text=True, check=False, timeout=60)
    broken = {each["rule_name"] for each in json.loads(done.stdout)}
    return Verdict.BREAKING if broken & CLIENTS_BREAK else Verdict.ADDITIVE


def compare(name: str, rows: Iterable[Row], program: str) -> None:
    """Print one line for each of the two."""
    rows = list(rows)
    print(f"{name}, {len(rows)} migrations")  # noqa: T201 - a command's output
    print(f"  squawk:       {score((row, verdict_of_squawk(program, row)) for row in rows)}")  # noqa: T201 - the same
    print(f"  the SQL here: {score((row, judge(row.sql, row.mapped).verdict) for row in rows)}")  # noqa: T201 - the same


if __name__ == "__main__":
    found = shutil.which("squawk") or sys.exit("squawk is not in PATH: pip install squawk-cli")
    compare("the shop", LABELLED, found)
    compare("known projects", PROJECTS, found)
