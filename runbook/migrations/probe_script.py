"""Fed to the Python of an application's image: prints what its migrations and its models are, as JSON.

It runs where neither this project nor a database is, so it uses nothing but Python 3.8, Alembic and SQLAlchemy.
`in_image.py` sends it with its parts (`probe/`) and the request; it reads no argument and no file of ours.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Callable  # noqa: UP035 - Python 3.8 cannot subscript the newer ones

from runbook.migrations.probe import graph, isolation, models, offline


def main(request: dict[str, Any]) -> None:
    """Answer a request: {"marker", "seconds", "config", "section", "dialect", "environment", "span"}."""
    until = time.monotonic() + float(request["seconds"])
    marker = request.pop("marker")  # what an answer begins with is no business of the code in the image
    os.environ.update(request.pop("environment"))
    sys.path[1:1] = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    isolation.say(marker, answer(request, until))


def answer(request: dict[str, Any], until: float) -> dict[str, Any]:
    """Ask every question in its turn; each may take half of the time that is left, and the last one all of it."""
    questions: list[tuple[str, Callable[[], Any]]] = [
        ("graph", lambda: _graph(request)),
        ("models", lambda: models.read_models(_offline(request))),
    ]
    if request["span"]:
        questions += [
            ("span", lambda: _span(request)),
            ("upgrade", lambda: _sql(request, up=True)),
            ("downgrade", lambda: _sql(request, up=False)),
        ]
    found: dict[str, Any] = {}
    problems: list[dict[str, str]] = []
    for name, question in questions:
        left = until - time.monotonic()
        heard = isolation.ask(question, max(left if name == questions[-1][0] else left / 2, 0.5))
        found[name] = heard.get("answer")
        whys = [heard["why"]] if "why" in heard else found[name].pop("problems", [])
        problems += [{"what": name, "why": why} for why in whys]
        # Without the range there is no SQL of it either.
        if heard.get("fatal") or (name == "span" and found[name] is None):
            break
    return {**found, "problems": problems}


def _graph(request: dict[str, Any]) -> dict[str, Any]:
    _, scripts = graph.open_project(request["config"], request["section"])
    return {"versions": graph.versions(), **graph.read_graph(scripts)}


def _span(request: dict[str, Any]) -> dict[str, Any]:
    lower, upper = request["span"]
    _, scripts = graph.open_project(request["config"], request["section"])
    undone = graph.between(_upon(scripts), lower, upper)
    return {"lower": lower, "upper": upper, "steps": graph.shapes(scripts, undone)}


def _sql(request: dict[str, Any], *, up: bool) -> dict[str, Any]:
    lower, upper = request["span"]
    run = _offline(request)
    expected = graph.between(_upon(run.scripts), lower, upper)
    kind = "upgrade" if up else "downgrade"
    differing = [step["revision"] for step in graph.shapes(run.scripts, expected) if step[kind]["differs_offline"]]
    start, destination = (None if lower == "base" else lower, upper) if up else (upper, lower)
    problems = []
    text: str | None = None
    try:
        text, _ = offline.sql_of(run, start, destination, up=up)
    except BaseException as error:  # noqa: BLE001 - SystemExit too; what was written before is still worth having
        problems.append(isolation.reason(error))
    else:
        amiss = sorted(set(expected) ^ set(run.bodies))
        if amiss:
            place = upper if up else lower
            problems.append(f"`alembic {kind} {place}` would not run exactly that range: {', '.join(amiss)}")
        if differing:
            names = ", ".join(differing)
            problems.append(f"{kind}() of {names} asks whether Alembic only writes SQL, so it may do more than that")
    problems += offline.doubts(run)
    text = None if problems else text
    return {"sql": text, "bodies": run.bodies, "problems": problems}


def _upon(scripts: Any) -> dict[str, list[str]]:
    return graph.builds_upon(graph.read_graph(scripts)["revisions"])


def _offline(request: dict[str, Any]) -> offline.Offline:
    config, scripts = graph.open_project(request["config"], request["section"])
    return offline.Offline(config, scripts, request["dialect"])
