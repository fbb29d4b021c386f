"""Put the practice production into one Compose shape after the other, and plan and execute a rollback in each.

    python -m tests.engine.shapes_campaign --table docs/compose_shapes.md
    python -m tests.engine.shapes_campaign --only "container_name" "two env files"

All shapes use one production. With `--report`, shapes that are already in that file are skipped.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.engine.conftest import planted
from tests.engine.shapes import INCIDENT, Shape, Shaped, Tried, shapes

_HEAD = """\
# Compose projects of other shapes

The practice production was put into each of these shapes in turn, with the failed release of the incident
`regression`. Then a rollback was planned and executed, with settings that name no Compose file.
`tests/engine/shapes.toml` defines the shapes, and `python -m tests.engine.shapes_campaign` repeats the campaign.
"Right" means: api and jobs run the target, in as many containers as before; services that share a namespace with them
were recreated and run; all others are the same containers; and users are served by the target. If the plan failed,
nothing was changed and traffic was not paused.

"""


def table(tried: Iterable[Tried]) -> str:
    """Return a table: the shape, the plan, the outcome of the execution, and whether the final state was right."""
    rows = ["| shape | plan | execution | end |", "|---|---|---|---|"]
    for each in tried:
        end = "; ".join(problem.splitlines()[0] for problem in each.problems) or "right"
        rows.append("| " + " | ".join(_cell(text) for text in (each.shape, each.plan, each.execution, end)) + " |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Run a campaign. Return 0 if plan and execution agreed in every shape, and every final state was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="SHAPE", help="these shapes, by name")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keeps a line of JSON for each shape")
    parser.add_argument("--table", type=Path, metavar="FILE", help="writes the table there")
    given = parser.parse_args()
    kept = [Tried(**json.loads(line)) for line in _lines(given.report)]
    done = {each.shape for each in kept}
    wanted = [each for each in shapes() if each.name in (given.only or [each.name]) and each.name not in done]
    with planted(INCIDENT.name, Path(tempfile.mkdtemp(prefix="shapes-campaign-"))) as (here, _):
        shaped = Shaped(here)
        for shape in wanted:
            tried = _try(shaped, shape)
            kept.append(tried)
            _say(f"{tried.seconds:6.1f} s  {'WRONG' if tried.problems else 'ok':<6} {shape.name}")
            for problem in tried.problems:
                _say(problem)
            if given.report:
                with given.report.open("a") as report:
                    report.write(json.dumps(asdict(tried)) + "\n")
    _say(table(kept))
    if given.table:
        given.table.write_text(_HEAD + table(kept))
    return int(any(each.problems for each in kept))


def _try(shaped: Shaped, shape: Shape) -> Tried:
    began = time.monotonic()
    try:
        tried = shaped.tries(shape)
    except Exception as error:  # noqa: BLE001 - a shape that cannot be made must not end the campaign
        tried = Tried(shape.name, "not made", "not made", [f"{type(error).__name__}: {error}"])
    shaped.restore(shape)
    tried.seconds = round(time.monotonic() - began, 1)
    return tried


def _lines(report: Path | None) -> list[str]:
    return report.read_text().splitlines() if report is not None and report.exists() else []


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - output for the terminal


if __name__ == "__main__":
    raise SystemExit(main())
