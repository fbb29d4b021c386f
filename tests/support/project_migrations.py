"""The migrations of `project_migrations.txt`: changes made by well-known projects, each with its models."""

import json
from pathlib import Path
from typing import Any

from runbook.migrations.image.mapped_models import Models, models_from_json
from tests.support.migrations_table import MODELS, Row

_FLAGS = {"key": "primary_key", "server": "server_default", "client": "client_default", "null": "nullable"}


def _column(text: str) -> dict[str, Any]:
    name, *words = text.split()
    flags: dict[str, Any] = {"nullable": False}
    while words and (words[-1] in _FLAGS or words[-1].startswith("labels=")):
        word = words.pop()
        flags |= {"labels": word.partition("=")[2].split("/")} if "=" in word else {_FLAGS[word]: True}
    return {"name": name, "type": " ".join(words)} | flags


def _more(table: dict[str, Any], line: str) -> None:
    word, _, rest = line.strip().partition(" ")
    if word == "partitioned":
        table["partitioned"] = True
    elif word == "unique":
        table["uniques"].append({"columns": [each.strip() for each in rest.split(",")]})
    else:
        column, _, where = rest.partition(" -> ")
        above, _, rule = where.partition(" ")
        table["foreign_keys"].append({"columns": [column], "table": above, "on_delete": rule})


def _read() -> list[Row]:
    rows: list[Row] = []
    tables: list[dict[str, Any]] = []
    project = first = before = ""
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("@"):
            project, tables, first, before = line[1:], [], "", ""
        elif line.startswith("before_tables "):
            first = line.removeprefix("before_tables ")
        elif line.startswith("before "):
            before = line.removeprefix("before ")
        elif line.startswith(" "):
            _more(tables[-1], line)
        elif line.startswith(("additive |", "breaking |")):
            verdict, sql, why = line.split(" | ")
            MODELS[project] = _models(tables)
            rows.append(Row(sql, verdict, sql, why, project, first=first, before=before))
        else:
            name, _, columns = line.partition(": ")
            made = [_column(each.strip()) for each in columns.split("|")]
            tables.append({"name": name, "columns": made, "uniques": [], "foreign_keys": []})
    return rows


def _models(tables: list[dict[str, Any]]) -> Models:
    return models_from_json(json.dumps({"tables": tables}))


PROJECTS = _read()
