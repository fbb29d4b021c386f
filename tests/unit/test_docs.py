"""The documentation: the index is complete, links lead to pages and headings, and commands to type are valid."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from runbook.cli.main import command_line

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
_LINK = re.compile(r"(?<!`)\[[^\]]+\]\(([^)#]+)(?:#([^)]+))?\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and its anchor to one of the file's headings."""
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        there = page.parent / target
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_index_has_every_page() -> None:
    """docs/README.md links to each page of the folder."""
    listed = {target for target, _ in _LINK.findall((DOCS / "README.md").read_text(encoding="utf-8"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= listed


def commands() -> list[str]:
    """Return each command that a page tells the reader to type, without its comment."""
    lines = [
        line for page in PAGES for line in re.findall(r"^\$ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    return sorted({re.split(r"\s+#|\s+[>|] ", line)[0].removesuffix("\\").strip() for line in lines})


@cache
def options_of_pytest() -> frozenset[str]:
    """Return the options that pytest has in this project."""
    argv = [sys.executable, "-m", "pytest", "--help"]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    return frozenset(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", said))


@pytest.mark.parametrize("command", [each for each in commands() if each.startswith(".venv/bin/pytest")])
def test_pytest_takes_what_is_told_to_type(command: str) -> None:
    """Every option of the command is one that pytest has here, and its path is `features`."""
    words = shlex.split(command)[1:]
    assert {word for word in words if word.startswith("-")} <= options_of_pytest()
    assert words[0] == "features"


@pytest.mark.parametrize(
    "command",
    [each for each in commands() if each.startswith((".venv/bin/python -m runbook", ".venv/bin/runbook"))],
)
def test_runbook_takes_what_is_told_to_type(command: str) -> None:
    """The command line's own parser accepts the whole command."""
    words = shlex.split(command.replace(".venv/bin/python -m runbook", "runbook").replace("HASH", "0" * 64))[1:]
    _, rest = command_line(words[:1]).parse_known_args(words)
    assert rest == []


@pytest.mark.parametrize("command", [each for each in commands() if each.startswith("script/")])
def test_scripts_take_what_is_told_to_type(command: str) -> None:
    """The script exists, and its help has each option."""
    script, *words = shlex.split(command)
    said = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert all(word in said for word in words if word.startswith("-"))
