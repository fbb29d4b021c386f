"""Signs that an image migrates when it starts: in commands, in scripts wherever they are, and in Python code."""

import ast
import re
import sys
import time
from pathlib import Path

import pytest

from runbook.chapters.startup import reader
from runbook.chapters.startup.reader import read


def found(folder: Path, *argv: str, path: str = "") -> dict[str, list[str]]:
    """Return the signs read from a start command in `folder`, with each place's file name."""
    told = read({"argv": argv, "directory": str(folder), "path": path or str(folder / "bin")})
    return {kind: [re.sub(r"\S*/", "", place) for place in places] for kind, places in told.items()}


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("alembic upgrade head", "alembic"),
        ("alembic -c app/alembic.ini -x a=b upgrade head", "alembic"),
        ("python -m alembic --config x.ini upgrade heads", "alembic"),
        ('["alembic", "upgrade", "head"]', "alembic"),
        ("flask db upgrade", "flask db"),
        ("flask --app shop db upgrade", "flask db"),
        ("superset db upgrade", "superset db"),
        ("airflow db migrate", "airflow db"),
        ("airflow db upgrade", "airflow db"),
        ("prefect server start --host 0.0.0.0", "prefect server"),
        ("prefect server database upgrade -y", "prefect server"),
        ("python manage.py migrate --noinput", "Django"),
        ("django-admin migrate", "Django"),
        ("python -m django migrate", "Django"),
    ],
)
def test_known_commands(tmp_path: Path, text: str, sign: str) -> None:
    """Each is a sign in the start command, a shell's argument or a script; in Python code it is weaker evidence."""
    assert found(tmp_path, *text.split())["commands"] == [f"the start command itself ({sign})"]
    assert found(tmp_path, "sh", "-c", f"{text} && exec uvicorn x:y")["commands"][0].endswith(f"({sign})")
    write(tmp_path, "start", f'#!/bin/sh\nset -e\n{text}\nexec "$@"\n')
    assert found(tmp_path, "./start", "uvicorn")["commands"] == [f"start ({sign})"]
    write(tmp_path, "main.py", f"import subprocess\nsubprocess.run({text.split()!r})\n")
    assert found(tmp_path, "uvicorn", "main:app")["code"] == [f"main.py ({sign})"]


@pytest.mark.parametrize(
    "text",
    ["alembic history", "alembic downgrade x", "flask run", "prefect worker start", "# alembic upgrade head",
     "echo alembic; upgrade", "python manage.py runserver"],
)  # fmt: skip
def test_what_is_no_command_that_migrates(tmp_path: Path, text: str) -> None:
    """Other commands and comments are not signs."""
    write(tmp_path, "start", f"#!/bin/sh\n{text}\n")
    assert found(tmp_path, "./start")["commands"] == []


def test_scripts_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """Scripts are found on PATH, in the working directory, and when another script calls or sources them."""
    write(tmp_path, "bin/serve", "#!/bin/bash\n. ./lib/common.sh\n")
    write(tmp_path, "lib/common.sh", "prepare() {\n  /bin/true\n  migrate-all\n}\n")
    write(tmp_path, "bin/migrate-all", "#!/bin/sh\nexec alembic upgrade head\n")
    assert found(tmp_path, "serve")["commands"] == ["migrate-all (alembic)"]


@pytest.mark.parametrize(
    ("code", "sign"),
    [
        ("from alembic import command\ncommand.upgrade(cfg, 'head')", "Alembic's upgrade"),
        ("import alembic.command", "Alembic's upgrade"),
        ("import alembic.config\nalembic.config.main(argv=['upgrade'])", "Alembic's main"),
        ("from flask_migrate import Migrate, upgrade", "Flask-Migrate's upgrade"),
        ("call_command('migrate')", "Django's migrate"),
        ("async def start():\n    await run_migrations()", "run_migrations"),
    ],
)
def test_code_that_migrates(tmp_path: Path, code: str, sign: str) -> None:
    """Code is followed from the started module through its imports of the application's modules."""
    write(tmp_path, "shop/__init__.py", "")
    write(tmp_path, "shop/main.py", "import os\nfrom . import start\n")
    write(tmp_path, "shop/start.py", "from shop.db import (\n    engine,\n)\n")
    write(tmp_path, "shop/db.py", code)
    assert found(tmp_path, "gunicorn", "-w", "4", "shop.main:app")["code"] == [f"db.py ({sign})"]
    assert found(tmp_path, "python", "-m", "shop.main")["code"] == [f"db.py ({sign})"]


def test_console_script_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console script installed with Python is followed to the application's package."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site-packages")])
    write(tmp_path, "bin/shop-serve", f"#!{sys.executable}\nfrom shopping.cli import main\nmain()\n")
    write(tmp_path, "site-packages/shopping/__init__.py", "")
    write(tmp_path, "site-packages/shopping/cli.py", "from shopping import database\nimport httpx\n")
    write(tmp_path, "site-packages/shopping/database.py", "from alembic import command\n")
    assert found(tmp_path, "shop-serve")["code"] == ["database.py (Alembic's upgrade)"]


def test_data_and_tools_are_no_evidence(tmp_path: Path) -> None:
    """A logger named alembic in a data file is not followed, so Alembic's own code is no sign."""
    write(tmp_path, "logging.json", '{"loggers": {"alembic": {}}}')
    write(tmp_path, "bin/alembic", f"#!{sys.executable}\nfrom alembic.config import main\nmain()\n")
    write(tmp_path, "alembic/__init__.py", "")
    write(tmp_path, "alembic/config.py", "from alembic import command\n")
    nothing: dict[str, list[str]] = {"commands": [], "code": []}
    assert found(tmp_path, "uvicorn", "app:app", "--log-config", "logging.json") == nothing
    write(tmp_path, "app.py", "import alembic\n")
    write(tmp_path, "alembic/__init__.py", "from alembic import command\ncommand.upgrade(None, 'head')\n")
    assert found(tmp_path, "uvicorn", "app:app") == nothing


def test_hostile_files_end_in_time(tmp_path: Path) -> None:
    """Very long lines, files that name themselves and binaries are read within 10 seconds of CPU time."""
    for number, text in enumerate((
        "alembic " + "-" * 200_000, "alembic " + "-a," * 60_000, "alembic " + "x " * 100_000, "flask " + '"' * 300_000,
        "alembic" + " -a=b" * 60_000, "from " + "." * 300_000, "import " + "a, " * 100_000,
    )):  # fmt: skip
        write(tmp_path, f"odd{number}", f"#!/bin/sh\n{text}\n./odd{number}\n")
        write(tmp_path, f"odd{number}.py", text)
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0alembic upgrade head")
    began = time.process_time()
    read({"argv": ["./odd0", *(f"odd{n}" for n in range(7)), *(f"odd{n}.py" for n in range(7)), "binary"],
          "directory": str(tmp_path), "path": None})  # fmt: skip
    assert time.process_time() - began < 10


def test_reader_runs_on_old_python() -> None:
    """The reader has the syntax of Python 3.8 and imports only its standard library, because it runs in any image."""
    tree = ast.parse(Path(reader.__file__).read_text(), feature_version=(3, 8))
    imported = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names - {"tomllib"}
