"""`python -m runbook assess`: its output and its exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.inner import Said, Zygote

ROOT = Path(__file__).parents[3]
MODELS = {
    "tables": [{"schema": None, "name": "orders", "columns": [{"name": "id", "type": "INTEGER", "nullable": False}]}]
}


@pytest.fixture
def assess(zygote: Zygote, tmp_path: Path) -> Callable[..., Said]:
    def judged(*arguments: str | Path, sql: bytes = b"") -> Said:
        return zygote.command("assess", *arguments, folder=tmp_path, said=sql)

    return judged


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(MODELS))
    return path


@pytest.mark.parametrize(
    ("sql", "code", "verdict"),
    [
        (b"", 0, b"unchanged"),
        (b"ALTER TABLE orders ADD COLUMN note text;", 0, b"additive"),
        (b"ALTER TABLE orders DROP COLUMN id;", 3, b"breaking"),
        (b"DO $$ BEGIN END $$;", 4, b"review"),
    ],
)
def test_the_exit_code_says_the_verdict(
    assess: Callable[..., Said], models: Path, sql: bytes, code: int, verdict: bytes
) -> None:
    """Exit codes are 0 for unchanged and additive, 3 for breaking, 4 for review. The output starts with the verdict."""
    done = assess("--upgrade-sql", "-", "--models", models, sql=sql)
    assert (done.exit_code, done.output.split(b":")[0], done.errors) == (code, verdict, b"")


def test_words_and_json_say_the_same(assess: Callable[..., Said], models: Path, tmp_path: Path) -> None:
    """Text and JSON have the same findings: verdict, statement, object and reason."""
    script = tmp_path / "up.sql"
    script.write_text("-- Running upgrade a -> b\n\nALTER TABLE orders RENAME id TO key;\n")
    told = json.loads(assess("--upgrade-sql", script, "--models", models, "--json").output)
    words = assess("--upgrade-sql", script, "--models", models).output.decode()
    assert told["verdict"] == "breaking"
    assert told["findings"][0]["statement"] == "ALTER TABLE orders RENAME id TO key"
    assert all(str(value) in words for key, value in told["findings"][0].items() if key != "times")


def test_without_models_it_says_so(assess: Callable[..., Said]) -> None:
    """Without models the verdict is review, with the reason."""
    done = assess("--upgrade-sql", "-", sql=b"DROP TABLE orders")
    assert done.exit_code == 4
    assert b"no models were given" in done.output


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_output_is_safe_and_fits_any_terminal(extra: tuple[str, ...]) -> None:
    """The output has no control characters, and works with an ASCII terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "runbook", "assess", "--upgrade-sql", "-", *extra],
        input='DROP TABLE "\x1b[31mä\u202e"'.encode(),
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 4
    assert done.stdout.replace(b"\n", b"").decode("ascii").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--upgrade-sql", "/nowhere/up.sql"),
        ("--upgrade-sql", "/tmp"),
        ("--upgrade-sql", "-", "--models", "/nowhere.json"),
        ("--upgrade-sql", "-", "--models", "README.md"),
        ("--upgrade-sql", "a\nb\x1b[2J"),
    ],
)
def test_what_cannot_be_read(assess: Callable[..., Said], arguments: tuple[str, ...]) -> None:
    """An unreadable input gives one line on standard error, no output, and exit code 2."""
    done = assess(*arguments)
    assert (done.exit_code, done.output, done.errors.count(b"\n")) == (2, b"", 1)
    assert done.errors.startswith(b"runbook: ")
    assert b"\x1b" not in done.errors


def test_sql_that_is_no_text(assess: Callable[..., Said]) -> None:
    """SQL that is not UTF-8 is refused in one line, with exit code 2."""
    done = assess("--upgrade-sql", "-", sql=b"SELECT '\xff'")
    assert (done.exit_code, done.errors.count(b"\n")) == (2, 1)


def test_misuse(assess: Callable[..., Said]) -> None:
    """Without SQL the exit code is 2."""
    assert assess().exit_code == 2
