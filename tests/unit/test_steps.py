"""A step is one line: its function returns the Action of a When, or the Check of a Given or a Then."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = [
    pytest.param(node, id=f"{path.stem}.{getattr(node, 'name', '')}")
    for path in sorted((ROOT / "steps").glob("*.py"))
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef)
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_step_is_one_line(function: ast.FunctionDef) -> None:
    """The function is one `return`, annotated as Action for a When and as Check otherwise."""
    keywords = {ast.unparse(each.func) for each in function.decorator_list if isinstance(each, ast.Call)}
    assert [type(statement) for statement in function.body] == [ast.Return]
    assert ast.unparse(function.returns or ast.Pass()) == ("Action" if keywords == {"when"} else "Check")
