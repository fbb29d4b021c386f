"""docs/traceability.md leads from each instruction of the written runbook to its step, function and test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Row(NamedTuple):
    """A row of the table. The instruction is empty if it is the same as in the row above."""

    instruction: str
    step: str
    function: str
    test: str


def rows() -> list[Row]:
    page = (ROOT / "docs/traceability.md").read_text(encoding="utf-8")
    found = [re.fullmatch(r"\| (.*?) ?\| (`.*) \| `(.*)` \| `(.*)` \|", line) for line in page.splitlines()]
    return [Row(*match.groups()) for match in found if match]


def instructions() -> Iterator[str]:
    """Yield each numbered or listed instruction of the written runbook, as `chapter text`."""
    chapter = ""
    for line in (ROOT / "docs/written_runbook.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (\d)\)", line):
            chapter = heading[1]
        elif listed := re.match(r" *(?:\d\.|-|\*\*Preferred:\*\*) (.*)", line):
            yield f"{chapter} {listed[1]}"


def steps() -> dict[str, str]:
    """Return the text of each step of the features, by its ID."""
    found = {}
    for path in sorted((ROOT / "features").glob("*.feature")):
        scenario = number = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith("Scenario:"):
                scenario, number = scenario + 1, 0
            elif step := re.match(r" +(?:Given|When|Then|And) (.*)", line):
                number += 1
                found[f"{path.name[0]}.{scenario}.{number}"] = step[1]
    return found


def carried_out() -> dict[str, str]:
    """Return the source of each step's function, by the text of the step."""
    found = {}
    for path in (ROOT / "steps").glob("*.py"):
        for function in ast.parse(path.read_text(encoding="utf-8")).body:
            for decorator in getattr(function, "decorator_list", ()):
                if isinstance(decorator, ast.Call) and isinstance(decorator.args[0], ast.Constant):
                    found[str(decorator.args[0].value)] = ast.unparse(function)
    return found


def test_every_instruction_has_its_row() -> None:
    """The table has exactly the instructions of the written runbook, in their order."""
    told = [re.sub(r"^(\d)(\.\d)? ", r"\1 ", row.instruction) for row in rows() if row.instruction]
    written = list(instructions())
    assert [_beginning(each) for each in told] == [_beginning(each) for each in written]


def _beginning(instruction: str) -> str:
    """Return the beginning of an instruction. The table omits examples."""
    return instruction.replace("`", "").lower()[:24]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{number}-{row.step}") for number, row in enumerate(rows(), 1)])
def test_row_leads_to_what_runs(row: Row) -> None:
    """The row's step is in its feature, the step calls the row's function, and the test exists."""
    place, text = re.fullmatch(r"`([\d.]+)` (.*)", row.step).groups()  # type: ignore[union-attr]
    assert steps()[place] == text
    assert f"{row.function}(" in carried_out()[text]
    path, _, name = row.test.partition("::")
    defined = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    assert name in [each.name for each in defined if isinstance(each, ast.FunctionDef)]
