"""`python -m runbook models`: prints the models that `assess --models` reads, or the reason why there are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook.cli import models as command
from runbook.cli.main import main
from runbook.errors import Inconclusive
from runbook.migrations.image.mapped_models import models_from_json
from runbook.migrations.image.report import ImageReport, Problem
from tests.support.image_parts import image
from tests.support.migrations_table import SHOP

SEEN: list[Any] = []


def answers(monkeypatch: pytest.MonkeyPatch, report: ImageReport | Exception) -> None:
    """Make every image return this report."""
    SEEN.clear()

    def ask(_host: object, name: str, settings: object, **asked: object) -> ImageReport:
        SEEN.append((name, settings, asked))
        if isinstance(report, Exception):
            raise report
        return report

    monkeypatch.setattr(command, "ask_image", ask)


def test_prints_what_assess_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Standard output has only the models, which `assess` can read. Problems are on standard error."""
    answers(monkeypatch, ImageReport(graph=image("r1").graph, models=SHOP, problems=(Problem("models", "an \x1b[2J"),)))
    assert main(["models", "shop/api:v1", "--config", "a.ini", "--section", "s", "--python", "py"]) == 0
    told = capsys.readouterr()
    assert models_from_json(told.out) == SHOP
    assert "\x1b" not in told.err
    assert "runbook: an " in told.err
    ((name, settings, asked),) = SEEN
    assert (name, settings.config, settings.section, settings.python) == ("shop/api:v1", "a.ini", "s", "py")
    assert (asked["environment"], asked["span"], asked["deadline"]) == ({}, None, 60.0)
    written = tmp_path / "models.json"
    written.write_text(told.out)
    (tmp_path / "up.sql").write_text("ALTER TABLE orders DROP COLUMN note;")
    assert main(["assess", "--upgrade-sql", str(tmp_path / "up.sql"), "--models", str(written), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["verdict"] == "breaking"


def test_variables_come_from_the_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--env` takes a variable's name, and its value from the shell. An unset variable is an error."""
    answers(monkeypatch, ImageReport(graph=image("r1").graph, models=SHOP))
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop:s3cr3t@db/shop")
    monkeypatch.delenv("NEVER_SET", raising=False)
    assert main(["models", "i", "--env", "DATABASE_URL"]) == 0
    assert SEEN[0][2]["environment"] == {"DATABASE_URL": "postgresql://shop:s3cr3t@db/shop"}
    assert main(["models", "i", "--env", "NEVER_SET"]) == 2
    assert "NEVER_SET is not set in this shell → set it: export NEVER_SET=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (ImageReport(graph=image("r1").graph, problems=(Problem("models", "no metadata"),)), "cannot be read: no meta"),
        (Inconclusive("the image i did not answer", "check migrations.python"), "did not answer → check --python"),
    ],
)
def test_nothing_to_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report: ImageReport | Exception, words: str
) -> None:
    """Without models there is one line on standard error, exit code 2, and no output."""
    answers(monkeypatch, report)
    assert main(["models", "i"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
