"""Reading an image's migrations and models, with the image's Python, without network and database."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.hosts.host import Host
from runbook.migrations.image.contained import contained, may_write, run_contained
from runbook.migrations.image.report import ImageReport, Problem, read_report
from runbook.secrets.redactor import Redactor, secrets_in
from runbook.settings.database import MigrationSettings
from runbook.text import beginning, visible

_SHARE = 0.8  # of the deadline; the rest is for starting and stopping the container
_LONGEST = 400  # characters of an error message
_HERE = Path(__file__).parent
#: The modules that are sent, each after the ones that it imports.
_PARTS = (
    "inside.isolation", "inside.written_sql", "inside.function_shapes", "inside.graph", "inside.stand_in",
    "inside.surroundings", "inside.offline", "inside.models",
    "script",
)  # fmt: skip
# The parts import each other by their names in this project. Those are deleted before the program starts, because the
# image may have its own `runbook` package.
_LOADER = """
import json, sys, types
sent = json.loads({sent})
folders = ["runbook", "runbook.migrations", "runbook.migrations.image", "runbook.migrations.image.inside"]
for name in [*folders, *sent["parts"]]:
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(sent["parts"].get(name, ""), "<" + name + ">", "exec", dont_inherit=True), module.__dict__)
    if "." in name:
        setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
for name in [name for name in sys.modules if name.partition(".")[0] == "runbook"]:
    del sys.modules[name]
module.main(sent["request"])
"""


def probing(  # noqa: PLR0913 - the image, the question and the time limits
    image: str,
    settings: MigrationSettings,
    *,
    environment: Mapping[str, str],
    span: tuple[str, str] | None,
    deadline: float,
    now: float,
) -> tuple[Command, str]:
    """Return the command that probes `image` (a digest or ID), and the random marker with which its report begins.

    `environment` is that of the service. Its secrets are sent on standard input, which is never recorded. `deadline` is
    in seconds, `now` is the host's clock.
    """
    marker = secrets.token_hex(16)
    request = {
        "marker": marker,
        "seconds": deadline * _SHARE,
        "config": settings.config,
        "section": settings.section,
        "dialect": "postgresql",
        "environment": dict(environment),
        "span": list(span) if span else None,
    }
    parts = {f"runbook.migrations.image.{part}": _source(part) for part in _PARTS}
    program = _LOADER.format(sent=ascii(json.dumps({"parts": parts, "request": request})))
    return contained(image, settings.python, program=program.encode("ascii"), deadline=deadline, now=now), marker


def _source(part: str) -> str:
    return _HERE.joinpath(*part.split(".")).with_suffix(".py").read_text(encoding="utf-8")


#: The SHA-256 of everything that is sent to an image, except the request.
PROGRAM = hashlib.sha256("".join((_LOADER, *map(_source, _PARTS))).encode()).hexdigest()


def question_to(
    image_id: str, settings: MigrationSettings, environment: Mapping[str, str], span: tuple[str, str] | None
) -> list[Any]:
    """Return everything that determines an image's report: for the same question it never changes."""
    how = (settings.config, settings.section, settings.python, PROGRAM)
    return ["image", image_id, how, sorted(environment.items()), span]


def ask_image(  # noqa: PLR0913 - the host, the image, the question and the deadline
    host: Host,
    image: str,
    settings: MigrationSettings,
    *,
    environment: Mapping[str, str],
    span: tuple[str, str] | None,
    deadline: float,
) -> ImageReport:
    """Ask `image` for its revisions, its models and, for a span (lower, upper), its functions and its SQL.

    The report's `problems` say what could not be read. Raises Inconclusive when neither the revisions nor the models
    could be read. The container is always removed.
    """
    command, marker = probing(image, settings, environment=environment, span=span, deadline=deadline, now=host.now())
    completed = run_contained(host, image, command)
    if completed.exit_code == os.EX_CANTCREAT:  # the image's code writes caches or logs
        completed = run_contained(host, image, may_write(command))
    redactor = Redactor()
    redactor.learn_all(secrets_in(environment))
    report = _read(completed, marker, image, redactor)
    # A driver's error may quote a URL with a password.
    problems = tuple(Problem(problem.what, redactor.text(problem.why)) for problem in report.problems)
    report = replace(report, problems=problems)
    if report.graph is None and report.models is None:
        raise Inconclusive(
            f"the migrations in {image} cannot be read: {report.why('graph')}",
            "check migrations.config, migrations.section and migrations.python in the settings; deadlines.command"
            " limits the time",
        )
    return report


def _read(completed: Completed, marker: str, image: str, redactor: Redactor) -> ImageReport:
    found = [line for line in completed.stdout.split(b"\n") if line.startswith(marker.encode() + b" ")]
    if completed.exit_code != 0 or len(found) != 1:
        why = beginning(visible(redactor.text(_error_message(completed))), _LONGEST)
        raise Inconclusive(
            f"the migrations in {image} cannot be read: the probe ended with exit code {completed.exit_code}: {why}",
            "check that migrations.python is a plain Python, 3.8 or later, in that image",
        )
    try:
        return read_report(found[0][len(marker) :])
    except ValueError as error:
        raise Inconclusive(
            f"the migrations in {image} cannot be read: its report is invalid ({error})",
            "check that image: its Python does not behave like a standard one",
        ) from None


def _error_message(completed: Completed) -> str:
    """Return Docker's error if the container could not start (its advice follows that line), else the last line."""
    lines = completed.stderr.decode("utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith("docker: ")), completed.last_line)
