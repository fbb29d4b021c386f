"""`python -m runbook assess`: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODELS = {
    "tables": [{"schema": None, "name": "orders", "columns": [{"name": "id", "type": "INTEGER", "nullable": False}]}]
}


def assess(*arguments: str | Path, sql: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "runbook", "assess", *arguments]
    return subprocess.run(
        command,
        input=sql or b"",
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)} | environment,
    )


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
def test_the_exit_code_says_the_verdict(models: Path, sql: bytes, code: int, verdict: bytes) -> None:
    """0 for unchanged and additive, 3 for breaking, 4 for review; the first word printed is the verdict."""
    done = assess("--upgrade-sql", "-", "--models", models, sql=sql)
    assert (done.returncode, done.stdout.split(b":")[0], done.stderr) == (code, verdict, b"")


def test_words_and_json_say_the_same(models: Path, tmp_path: Path) -> None:
    """Both have each finding's verdict, statement, object and reason."""
    script = tmp_path / "up.sql"
    script.write_text("-- Running upgrade a -> b\n\nALTER TABLE orders RENAME id TO key;\n")
    told = json.loads(assess("--upgrade-sql", script, "--models", models, "--json").stdout)
    words = assess("--upgrade-sql", script, "--models", models).stdout.decode()
    assert told["verdict"] == "breaking"
    assert told["findings"][0]["statement"] == "ALTER TABLE orders RENAME id TO key"
    assert all(str(value) in words for key, value in told["findings"][0].items() if key != "times")


def test_without_models_it_says_so() -> None:
    """What nobody knows is for review, with the reason."""
    done = assess("--upgrade-sql", "-", sql=b"DROP TABLE orders")
    assert done.returncode == 4
    assert b"no models were given" in done.stdout


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_output_is_safe_and_fits_any_terminal(extra: tuple[str, ...]) -> None:
    """No control character gets out, and a terminal that knows ASCII alone is no reason to crash."""
    done = assess("--upgrade-sql", "-", *extra, sql='DROP TABLE "\x1b[31mä\u202e"'.encode(), PYTHONIOENCODING="ascii")
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
def test_what_cannot_be_read(arguments: tuple[str, ...]) -> None:
    """One line on standard error, nothing on standard output, exit code 2."""
    done = assess(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.startswith(b"runbook: ")
    assert b"\x1b" not in done.stderr


def test_sql_that_is_no_text() -> None:
    """SQL in another encoding is refused, in one line."""
    done = assess("--upgrade-sql", "-", sql=b"SELECT '\xff'")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_misuse() -> None:
    """Without the SQL there is nothing to judge."""
    assert assess().returncode == 2
