"""Generate docs/troubleshooting.md from the code: every error message of the runbook, by error class.

Type `python -m script.docs.troubleshooting` after a message has changed.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook import errors

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
_CLASSES = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.RunbookError)
}
_HEAD = """# Troubleshooting, by message

Every message says what was seen, what was expected and, after an arrow, what to do next. Search this page for the words
of your message; `…` stands for the parts that vary. If a message contains another one, search for the inner one. This
page is generated from the code (`python -m script.docs.troubleshooting`).
"""


@dataclass(frozen=True, order=True)
class Message:
    """An error message and its next step. `next_step` is empty if the code only passes one on."""

    seen: str
    next_step: str


def messages() -> dict[str, list[Message]]:
    """Return the messages by the name of their error class, sorted."""
    found: dict[str, set[Message]] = {}
    for path in sorted([*(ROOT / "runbook").rglob("*.py"), *(ROOT / "harness").rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, message in _raised(tree):
            found.setdefault(name, set()).add(message)
    return {name: sorted(found[name]) for name in _CLASSES if name in found}


def _raised(tree: ast.Module) -> Iterator[tuple[str, Message]]:
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CLASSES):
            continue
        seen, next_step = (_words(part, constants) for part in [*node.args, ast.Constant(""), ast.Constant("")][:2])
        if any(character.isalpha() for character in seen):
            yield node.func.id, Message(seen, next_step if any(map(str.isalpha, next_step)) else "")


def _words(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    """Return the text of an expression, with … for every part that is not a literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " ".join(node.value.split()) if node.value.strip() else node.value
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
        return " ".join("".join(map(str, parts)).split())
    if isinstance(node, ast.Name) and node.id in constants:
        return _words(constants[node.id], {})
    return "…"


def page() -> str:
    """Return the whole page."""
    sections = []
    for name, found in messages().items():
        meaning = (_CLASSES[name].__doc__ or "").partition("\n")[0]
        lines = [f"## {name}", "", meaning, ""]
        lines += [
            f"- {_plain(each.seen)}" + (f" → {_plain(each.next_step)}" if each.next_step else "") for each in found
        ]
        sections.append("\n".join(lines))
    return "\n\n".join([_HEAD.rstrip(), *sections]) + "\n"


def _plain(text: str) -> str:
    # Text in backticks stays as it is. Elsewhere, Markdown would read these characters as markup.
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*_])", r"\\\1", part) for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
