"""The code of the report and the harness decides by typed members, never by English that other code wrote."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("runbook/report", "harness") for path in (ROOT / folder).rglob("*.py"))
_PATTERNS = ("re.match", "re.search", "re.compile", "re.fullmatch")
_SEARCHING = ("startswith", "endswith", "partition", "rpartition", "split", "rsplit", "removeprefix", "removesuffix")
#: Texts that other programs write, by file: pytest-html's output.
_OF_OTHERS = {
    "harness/compat.py": {"Generated html report:"},
    "harness/html/compat_html.py": {
        '(<input checked="true" class="filter" [^>]*data-test-result="(\\w+)")',
        '(?<=<title id="head-title">)',
    },
}
#: The journal's closed values that contain a space: its kinds, states, outcomes, reasons and facts.
_VALUES = {
    "already so", "begin anew", "command began", "decision needed", "engine request", "failed migrations", "file look",
    "first seen", "found again", "left behind", "loss accepted", "not applicable", "not configured", "not so",
    "nothing to do", "open rollback", "restore point", "scenario began", "scenario ended", "scenario left out",
    "schema found again", "step began", "step ended", "target migrations",
}  # fmt: skip


def english(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each line that compares or searches for a text of several words, with that text."""
    constants = _constants(tree)
    for node in ast.walk(tree):
        searched: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _SEARCHING or ast.unparse(node.func) in _PATTERNS:
                searched = node.args[:1]
        elif isinstance(node, ast.Compare):
            searched = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            searched = [node.value]
        for each in searched:
            for text in _texts(each, constants):
                if (" " in text.strip() or "→" in text) and text.strip() not in _VALUES:
                    yield node.lineno if not isinstance(node, ast.MatchValue) else node.value.lineno, text


def _constants(tree: ast.AST) -> dict[str, ast.expr]:
    """Return the values of the module's names in capitals."""
    found = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if _assigned(node) else []
        for target in targets:
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and target.id.isupper() and value is not None:
                found[target.id] = value
    return found


def _assigned(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign)


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (
            part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for each in node.elts:
            yield from _texts(each, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _texts(constants[node.id], {name: value for name, value in constants.items() if name != node.id})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_english_is_read(path: Path) -> None:
    """Nothing is decided by a summary, a detail, a reason or a message."""
    name = path.relative_to(ROOT).as_posix()
    found = list(english(ast.parse(path.read_text(encoding="utf-8"))))
    assert [each for each in found if each[1] not in _OF_OTHERS.get(name, ())] == []


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / "runbook/report").rglob("*.jinja") if "__pycache__" not in path.parts),
    ids=lambda path: path.name,
)
def test_no_template_takes_a_text_apart(path: Path) -> None:
    """Templates show texts as a whole."""
    text = path.read_text(encoding="utf-8")
    assert [name for name in ("partition(", "removeprefix(", ".split(") if name in text] == []


@pytest.mark.parametrize(
    "code",
    [
        'detail.partition(" → ")',
        'if entry["summary"] == "user traffic is paused": pass',
        'if "decided by a human" in evidence: pass',
        '_PAUSED = "user traffic is paused"\nif said == _PAUSED: pass',
        'said.startswith(f"is for the strategy {word}")',
        'said.removeprefix(("announce it: ", "x"))',
        're.search("journal head (.*)", said)',
    ],
)
def test_what_is_found(code: str) -> None:
    """Each form of comparing or searching text is detected."""
    assert list(english(ast.parse(code)))


@pytest.mark.parametrize("code", ['path.partition("::")', 'if state == "already so": pass', "line.split()"])
def test_what_is_let_pass(code: str) -> None:
    """Separators in paths, closed values of the journal, and splitting at spaces are allowed."""
    assert list(english(ast.parse(code))) == []
