"""The code matches docs/architecture.md: captions, floors, no import cycles, and no crowded folder."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOPS = ("runbook", "harness", "steps", "rehearsal")
#: Folders whose code runs in containers or on the production host; not modules of this project.
_APART = ("application", "releases", "desk", "parts", "server", "outside")
MOST_FILES = 12
MOST_LINES = 400


@cache
def modules() -> Mapping[str, Path]:
    """Return every module of the project by its dotted name."""
    paths = [path for top in TOPS for path in (ROOT / top).rglob("*.py")]
    ours = [path.relative_to(ROOT) for path in paths if not set(path.relative_to(ROOT).parts[1:-1]) & set(_APART)]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): ROOT / path for path in ours}


@cache
def imports(module: str) -> frozenset[str]:
    """Return the project's modules that this one imports, anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{each.name}" for each in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    deepest = {name for name in found & modules().keys() if not any(other.startswith(f"{name}.") for other in found)}
    return frozenset(deepest - {module})


def floors() -> dict[str, int]:
    """Return the floor of each folder and file of `runbook/`, from the page."""
    rows = re.findall(r"^\| (\d) \| (`.*`) \|$", PAGE, re.MULTILINE)
    return {name.removesuffix(".py"): int(floor) for floor, names in rows for name in re.findall(r"`([\w.]+)`", names)}


def test_page_has_every_folder_with_its_caption() -> None:
    """The page's caption of a folder is the first line of its package's docstring."""
    told = dict(re.findall(r"^\| `([\w/]+)/` \| (.+) \|$", PAGE, re.MULTILINE))
    packages = {
        path.parent.relative_to(ROOT).as_posix(): path for path in modules().values() if path.stem == "__init__"
    }
    assert packages.keys() <= told.keys()
    for folder, path in packages.items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert told[folder] == docstring.partition("\n")[0], folder
    assert all((ROOT / folder).is_dir() for folder in told)


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("runbook.")])
def test_imports_point_down(module: str) -> None:
    """A module of `runbook/` imports only from lower floors, and nothing from steps, harness or rehearsal."""
    place = floors()
    room = module.split(".")[1]
    if room == "__main__":
        return
    for name in imports(module):
        top, _, rest = name.partition(".")
        assert top == "runbook"
        other = rest.partition(".")[0]
        ground = place[room] == 0 == place.get(other, 0)
        assert not rest or other == room or ground or place[other] < place[room], f"{module} imports {name}"


def test_nothing_imports_in_a_circle() -> None:
    """There are no import cycles."""
    assert list(circles()) == []


def circles() -> Iterator[list[str]]:
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> Iterator[list[str]]:
        if name in way:
            yield [*way[way.index(name) :], name]
        elif name not in done:
            for other in sorted(imports(name)):
                yield from walk(other, [*way, name])
            done.add(name)

    for module in sorted(modules()):
        yield from walk(module, [])


def test_no_folder_is_crowded() -> None:
    """A folder has at most 12 Python files."""
    crowded = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules().values())
    assert {folder: number for folder, number in crowded.items() if number > MOST_FILES} == {}


def test_no_file_is_long() -> None:
    """A file has at most 400 lines."""
    lines = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in modules().values()}
    assert {name: number for name, number in lines.items() if number > MOST_LINES} == {}


def test_chapter_has_one_name() -> None:
    """`N_name.feature`, `steps/name.py` and `runbook/chapters/name.py` belong to one chapter."""
    for feature in (ROOT / "features").glob("*.feature"):
        name = feature.stem.partition("_")[2]
        assert f"steps.{name}" in modules()
        assert f"runbook.chapters.{name}" in modules()
