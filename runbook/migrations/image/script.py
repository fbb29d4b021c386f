"""The program that runs in the Python of an application's image and prints its migrations and models as JSON.

It has neither this project nor a database, only Python 3.8 or later, Alembic and SQLAlchemy. `probe.py` sends it on
standard input, together with `inside/` and the request.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Callable  # noqa: UP035 - Python 3.8 cannot subscript the newer ones

from runbook.migrations.image.inside import graph, isolation, models, offline

_LATER = 1.1  # times the questions' time limit, so that the process that asks them outlives the last one


def main(request: dict[str, Any]) -> None:
    """Answer a request: {"marker", "seconds", "config", "section", "dialect", "environment", "span"}."""
    until = time.monotonic() + float(request["seconds"])
    marker = request.pop("marker")  # the code of the image must not know it
    os.environ.update(request.pop("environment"))
    sys.path[1:1] = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]

    def with_libraries() -> dict[str, Any]:
        graph.load_alembic()
        return answered(request, until)

    # Every question needs Alembic, which loads slowly. One child process, without the marker, loads it for all.
    answers = isolation.ask(with_libraries, (until - time.monotonic()) * _LATER).get("answer")
    if answers is None:
        answers = answered(request, until)
    isolation.send(marker, {**answers["found"], "problems": answers["problems"]})
    if answers["read_only"]:
        sys.exit(os.EX_CANTCREAT)  # the caller may ask again, with a writable file system


def answered(request: dict[str, Any], until: float) -> dict[str, Any]:
    """Ask every question in turn. Each gets half of the remaining time, the last one all of it."""
    answers = _Answers(until)
    answers.ask("graph", lambda: _graph(request))
    if not answers.fatal:
        answers.ask("models", lambda: _models(request), last=not request["span"])
        _settle_places(request, answers)
    if request["span"] and answers.found["graph"] is not None:
        answers.ask("span", lambda: _span(request))
        if answers.found["span"] is not None:  # without the range there is no SQL to write
            answers.ask("upgrade", lambda: _sql(request, up=True))
            answers.ask("downgrade", lambda: _sql(request, up=False), last=True)
    return {"found": answers.found, "problems": answers.problems, "read_only": answers.read_only}


class _Answers:
    """The answers so far, and the problems."""

    def __init__(self, until: float) -> None:
        self.found: dict[str, Any] = {}
        self.problems: list[dict[str, str]] = []
        self.fatal = False
        self.read_only = False
        self._until = until

    def ask(self, name: str, question: Callable[[], Any], *, last: bool = False) -> None:
        """Ask a question and store its answer and problems. They replace earlier ones of the same name."""
        remaining = self._until - time.monotonic()
        result = isolation.ask(question, max(remaining if last else remaining / 2, 0.5))
        found: Any = result.get("answer")
        self.found[name] = found
        self.problems = [problem for problem in self.problems if problem["what"] != name]
        for why in [result["why"]] if "why" in result else found.pop("problems", []):
            self.doubt(name, why)
        self.fatal = bool(result.get("fatal"))
        self.read_only = self.read_only or bool(result.get("read_only") or (found and found.pop("read_only", False)))

    def doubt(self, name: str, why: str) -> None:
        """Record a problem of an answer."""
        self.problems.append({"what": name, "why": why})


def _settle_places(request: dict[str, Any], answers: _Answers) -> None:
    """Read the graph again if env.py, which has run by now, sets other revision folders than the configuration."""
    models, graph_before = answers.found["models"], answers.found["graph"]
    places = models.pop("places") if models is not None else None
    if models is not None and models["tables"] is None:
        answers.found["models"] = None
    before = graph_before.pop("places") if graph_before is not None else {"own": [], "configured": []}
    ran = places is not None and places["ran"]
    if places is not None and places["own"] != before["own"]:
        request["places"] = places["own"]
        answers.ask("graph", lambda: _graph(request))
        if answers.found["graph"] is not None:
            answers.found["graph"].pop("places")
    elif graph_before is not None and (
        (places is not None and places["configured"] != before["configured"]) or (not ran and before["spoken_of"])
    ):
        answers.found["graph"] = None
        answers.doubt("graph", "env.py may set other revision folders (version_locations) than Alembic has read")


def _graph(request: dict[str, Any]) -> dict[str, Any]:
    config, scripts = _project(request)
    places = {**graph.named_after(config, scripts), "spoken_of": graph.names_places(scripts)}
    return {"versions": graph.versions(), **graph.read_graph(scripts), "places": places}


def _models(request: dict[str, Any]) -> dict[str, Any]:
    run = _offline(request)
    try:
        found = models.read_models(run)
    except BaseException as error:  # noqa: BLE001 - SystemExit too; env.py's revision folders are still reported
        problem = isolation.reason(error)
        found = {"tables": None, "problems": [problem], "read_only": isolation.met_read_only(error)}
    return {**found, "places": {**graph.named_after(run.config, run.scripts), "ran": run.ended_well}}


def _project(request: dict[str, Any]) -> tuple[Any, Any]:
    return graph.open_project(request["config"], request["section"], request.get("places"))


def _span(request: dict[str, Any]) -> dict[str, Any]:
    lower, upper = request["span"]
    _, scripts = _project(request)
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
    read_only = False
    text: str | None = None
    try:
        text, _ = offline.sql_of(run, start, destination, up=up)
    except BaseException as error:  # noqa: BLE001 - SystemExit too; the SQL written so far is still useful
        problems.append(isolation.reason(error))
        read_only = isolation.met_read_only(error)
    else:
        amiss = sorted(set(expected) ^ set(run.bodies))
        if amiss:
            place = upper if up else lower
            problems.append(f"`alembic {kind} {place}` would not run exactly that range: {', '.join(amiss)}")
        if differing:
            names = ", ".join(differing)
            problems.append(f"{kind}() of {names} checks for Alembic's offline mode, so it may do more than its SQL")
    problems += offline.doubts(run)
    text = None if problems else text
    return {"sql": text, "bodies": run.bodies, "problems": problems, "read_only": read_only}


def _upon(scripts: Any) -> dict[str, list[str]]:
    return graph.builds_upon(graph.read_graph(scripts)["revisions"])


def _offline(request: dict[str, Any]) -> offline.Offline:
    config, scripts = _project(request)
    return offline.Offline(config, scripts, request["dialect"])
