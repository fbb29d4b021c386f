"""A program for an image's Python (3.8 or later): reads the files that a start command names, and runs none."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence  # noqa: UP035 - for Python 3.8

# The words of commands that migrate. Options, and up to three words that may be their values, may be between them.
COMMANDS = {
    "alembic": ("alembic upgrade",),
    "flask db": ("flask db upgrade",),
    "superset db": ("superset db upgrade",),
    "airflow db": (
        "airflow db migrate",
        "airflow db upgrade",
        "airflow db init",
        "airflow initdb",
        "airflow standalone",
    ),
    "prefect server": ("prefect server start", "prefect server database upgrade", "prefect orion start"),
    "Django": ("manage.py migrate", "django-admin migrate", "django migrate"),
}
_BETWEEN = 3
# Every repetition is bounded, because the text may be crafted to make matching slow.
CODE = {
    "Alembic's upgrade": r"\bcommand\.upgrade\(|\balembic\.command\b|\bfrom alembic import [^\n]{0,200}\bcommand\b",
    "Alembic's main": r"\balembic\.config\b[^\n]{0,200}\bmain\b",
    "Flask-Migrate's upgrade": r"\bflask_migrate\b[^\n]{0,200}\bupgrade\b",
    "Django's migrate": r"\bcall_command\(\s{0,20}[\"']migrate[\"']",
    "run_migrations": r"\brun_(?:db_)?migrations?\(",
}
_TOOLS = {"alembic", "flask_migrate"}  # their own code is full of signs
_DATA = {".json", ".yml", ".yaml", ".toml", ".txt", ".md"}  # words in these files are not followed
_LARGEST = 1_000_000  # bytes of a file
_MOST = 2_000  # files
_MOST_WORDS = 20_000  # words that may be file names
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_IMPORT = re.compile(
    r"^[ \t]{0,99}(?:from[ \t]{1,9}([\w.]{1,999})[ \t]{1,9}import[ \t]{1,9}\(?([\w, \t]{0,9999})"
    r"|import[ \t]{1,9}([\w., \t]{1,9999}))",
    re.MULTILINE,
)


class _Reader:
    """Follows a start command through scripts and modules, and notes signs of migrations."""

    def __init__(self, directory: str | None, path: str | None) -> None:
        self.directory = directory or os.getcwd()  # noqa: PTH109 - compared with the text of paths
        given = (path or os.environ.get("PATH", "")).split(os.pathsep)
        self.path = [*given, str(Path(sys.executable).parent), *_PLACES]
        self.roots = [self.directory, *(entry for entry in sys.path if entry)]
        self.packages: set[str] = set()  # the packages of started programs
        self.seen: set[str] = set()
        self.asked: set[str] = set()
        self.commands: dict[str, None] = {}
        self.code: dict[str, None] = {}

    def start(self, argv: Sequence[str]) -> None:
        text = " ".join(argv)
        self._note(_commands_in(text), "the start command itself", self.commands)
        self._follow([*argv, *_words(text)])

    def _note(self, signs: Sequence[str], place: str, notes: dict[str, None]) -> None:
        notes.update((f"{place} ({sign})", None) for sign in signs)

    def _follow(self, words: Sequence[str]) -> None:
        for at, word in enumerate(words):
            name = word.strip("\"'`$(){}")
            if (at and words[at - 1] == "-m") or (":" in name and "/" not in name):
                self._module(name.split(":")[0], started=True)
            if name not in self.asked and len(self.asked) < _MOST_WORDS:
                self.asked.add(name)
                self._file(self._located(name), name)

    def _located(self, word: str) -> str | None:
        """Return the path of a command's word if it is a file: by its path, on PATH, or in the working directory."""
        if not word or word.startswith("-") or len(word) > 1000 or "\0" in word:
            return None
        folders = [self.directory] if "/" in word else [*self.path, self.directory]
        found = (os.path.join(folder, word) for folder in folders)  # noqa: PTH118 - fast, for thousands of words
        return next((path for path in found if os.path.isfile(path)), None)  # noqa: PTH113 - the same

    def _module(self, name: str, *, started: bool = False) -> None:
        parts = [part for part in name.split(".") if part]
        if not parts or parts[0] in _TOOLS:
            return
        if started:
            self.packages.add(parts[0])
        for length in range(1, len(parts) + 1):
            for root in self.roots:
                base = Path(root, *parts[:length])
                for path in (base.parent / f"{base.name}.py", base / "__init__.py", base / "__main__.py"):
                    if path.is_file():
                        self._file(str(path), str(path))

    def _file(self, path: str | None, shown: str) -> None:
        real = os.path.realpath(path) if path else ""
        if path is None or real in self.seen or len(self.seen) >= _MOST:
            return
        self.seen.add(real)
        try:
            content = Path(path).read_bytes() if Path(path).stat().st_size <= _LARGEST else b"\0"
        except OSError:
            return
        if b"\0" in content[:1000]:
            return
        text = content.decode("utf-8", "replace")
        first = text.split("\n", 1)[0]
        if path.endswith(".py") or (first.startswith("#!") and "python" in first):
            self._python(text, path, shown)
        else:
            script = re.sub(r"^[ \t]{0,99}#.*$", "", text, flags=re.MULTILINE)
            self._note(_commands_in(script), shown, self.commands)
            if Path(path).suffix not in _DATA:
                self._follow(_words(script))

    def _python(self, text: str, path: str, shown: str) -> None:
        """Note the signs in Python code, and follow its imports of the application's own modules."""
        self._note(_commands_in(text), shown, self.code)
        self._note([name for name, sign in CODE.items() if re.search(sign, text)], shown, self.code)
        console_script = not path.endswith(".py")
        for source, names, plain in _IMPORT.findall(text):
            found = re.split(r"[,\s]+", plain) if plain else self._imported(source, names, path)
            for module in filter(None, found):
                if console_script or self._own(module):
                    self._module(module, started=console_script)

    def _imported(self, source: str, names: str, path: str) -> Iterator[str]:
        if source.startswith("."):
            folder = Path(path).parent
            for _ in range(len(source) - len(source.lstrip(".")) - 1):
                folder = folder.parent
            source = ".".join(filter(None, (self._dotted(folder), source.lstrip("."))))
        yield source
        yield from (f"{source}.{name}" for name in re.split(r"[,\s]+", names) if name)

    def _dotted(self, folder: Path) -> str:
        """Return the dotted name of the package in `folder`, relative to a root of modules; empty without one."""
        for root in self.roots:
            if folder == Path(root) or Path(root) in folder.parents:
                return ".".join(folder.relative_to(root).parts)
        return ""

    def _own(self, module: str) -> bool:
        top = module.split(".", 1)[0]
        here = Path(self.directory)
        return top in self.packages or (here / top).is_dir() or (here / f"{top}.py").is_file()


def _commands_in(text: str) -> list[str]:
    """Return the names of migrating commands in a script, a start command, or the lists and strings of Python code."""
    found = set()
    for command in re.split(r"[\n;&|]", text.replace("\\\n", " ")):
        words = [word.rpartition("/")[2] for word in re.split(r"[\s\"'`,()\[\]{}$]+", command) if word[:1] != "-"]
        found |= {name for name, each in COMMANDS.items() if any(_stands_in(words, other.split()) for other in each)}
    return [name for name in COMMANDS if name in found]


def _stands_in(words: list[str], wanted: list[str]) -> bool:
    """Return whether the wanted words occur in that order, with at most `_BETWEEN` other words between two."""
    scope = set(range(len(words)))
    for each in wanted:
        at = {place for place in scope if words[place] == each}
        scope = {place for start in at for place in range(start + 1, start + 2 + _BETWEEN) if place < len(words)}
        if not at:
            return False
    return True


def _words(text: str) -> list[str]:
    return re.split(r"[\s;&|()]+", text)


def read(request: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read what `argv` names, and return the places of `commands` that certainly run, and of `code` that may run.

    `directory` and `path` are the service's working directory and PATH; null for those of the image.
    """
    reader = _Reader(request["directory"], request["path"])
    reader.start([str(word) for word in request["argv"]])
    return {"commands": list(reader.commands), "code": list(reader.code)}
