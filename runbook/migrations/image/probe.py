"""What an image knows of its migrations and its models: asked of the image itself, without network and database."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runbook.errors import Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.hosts.local import Host
from runbook.migrations.image.answer import Answer, Graph, Problem, Step
from runbook.migrations.image.contained import contained, may_write, run_contained
from runbook.migrations.image.inside.graph import between, with_ancestors
from runbook.migrations.image.inside.isolation import Told
from runbook.secrets.redactor import Redactor, secrets_in
from runbook.settings.schema import MigrationSettings
from runbook.text import beginning, visible

_SHARE = 0.8  # of the deadline; the rest is for the container to start and to end
_LONGEST = 400  # characters of a complaint
_HERE = Path(__file__).parent
#: What is sent, in the order in which each finds the ones before it.
_PARTS = (
    "inside.isolation",
    "inside.function_shapes",
    "inside.graph",
    "inside.stand_in",
    "inside.offline",
    "inside.models",
    "script",
)
# The parts import each other by their names here. Once all are there the names go, lest they hide the image's own.
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


@dataclass(frozen=True)
class ImageMigrations(Answer):
    """What an image told of its migrations and its models, and what follows from it.

    Whatever needs the revision graph raises Inconclusive when the image could not tell it.
    """

    def read_graph(self) -> Graph:
        """The revision graph. Raises Inconclusive with the reason why there is none."""
        if self.graph is None:
            raise Inconclusive(
                f"the migrations in the image cannot be read: {self.why('graph')}",
                "check migrations.config, migrations.section and migrations.python in the settings",
            )
        return self.graph

    def why(self, what: str) -> str:
        """The reasons why `what` (graph, models, span, upgrade, downgrade) could not be read, or not wholly."""
        return "; ".join(problem.why for problem in self.problems if problem.what == what) or "the image did not say"

    @property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other builds upon."""
        return self.read_graph().heads

    @property
    def builds_upon(self) -> Mapping[str, tuple[str, ...]]:
        """Each revision with those that must be there before it."""
        return {item.revision: (*item.down, *item.depends_on) for item in self.read_graph().revisions}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The revisions of the range that was asked for, newest first. Raises Inconclusive without a range."""
        if self.span is None:
            raise Inconclusive(
                f"the range of migrations cannot be read: {self.why('span')}",
                "ship a forward-fix, or look at the image",
            )
        return self.span.steps

    def knows(self, revision: str) -> bool:
        """Tell whether the image has that revision; Alembic in it fails on a database at any other."""
        return revision in self.builds_upon

    def continues(self, *database: str) -> bool:
        """Tell whether `alembic upgrade head` in this image starts from the database's revisions.

        It does when all of them lead to the one head of the image, or are it.
        """
        graph = self.read_graph()
        return (
            len(graph.heads) == 1
            and bool(database)
            and set(database) <= with_ancestors(graph.heads[0], self.builds_upon)
        )

    def revisions_to_undo(self, lower: str, upper: str) -> tuple[str, ...]:
        """What must be undone to come from `upper` back to `lower` (or `base`), newest first.

        Raises Inconclusive when the image lacks one of them, or `upper` does not build upon `lower`.
        """
        try:
            return tuple(between(self.builds_upon, lower, upper))
        except Told as error:
            raise Inconclusive(str(error), "name a target whose revision this image's migrations build upon") from None


def probing(
    image: str,
    settings: MigrationSettings,
    *,
    environment: Mapping[str, str],
    span: tuple[str, str] | None,
    deadline: float,
) -> Command:
    """The command that asks `image` (by digest or id); `deadline` is in seconds.

    `environment` is that of the service; its secrets travel on standard input, which is never recorded.
    """
    return _probe(image, settings, environment, span, deadline)[0]


def _probe(
    image: str,
    settings: MigrationSettings,
    environment: Mapping[str, str],
    span: tuple[str, str] | None,
    deadline: float,
) -> tuple[Command, str]:
    """Return the command, and the mark that an answer begins with."""
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
    return contained(image, settings.python, program=program.encode("ascii"), deadline=deadline), marker


def _source(part: str) -> str:
    return _HERE.joinpath(*part.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def ask_image(  # noqa: PLR0913 - the host, what is asked of which image, and by when
    host: Host,
    image: str,
    settings: MigrationSettings,
    *,
    environment: Mapping[str, str],
    span: tuple[str, str] | None,
    deadline: float,
) -> ImageMigrations:
    """Ask `image` for its revisions, its models and, for a span (lower, upper), its functions and its SQL.

    What it could not tell stands in `problems`. Raises Inconclusive when it could tell neither revisions nor models.
    The container is gone afterwards, whatever happened.
    """
    command, marker = _probe(image, settings, environment, span, deadline)
    completed = run_contained(host, image, command)
    if completed.exit_code == os.EX_CANTCREAT:  # it keeps files where it lies: caches, logs, settings of its own
        completed = run_contained(host, image, may_write(command))
    redactor = Redactor()
    redactor.learn_all(secrets_in(environment))
    answer = _without_secrets(_read(completed, marker, image, redactor), redactor)
    if answer.graph is None and answer.models is None:
        raise Inconclusive(
            f"the migrations in {image} cannot be read: {answer.why('graph')}",
            "check migrations.config, migrations.section and migrations.python in the settings",
        )
    return answer


def _read(completed: Completed, marker: str, image: str, redactor: Redactor) -> ImageMigrations:
    found = [line for line in completed.stdout.split(b"\n") if line.startswith(marker.encode() + b" ")]
    if completed.exit_code != 0 or len(found) != 1:
        why = beginning(visible(redactor.text(_complaint(completed))), _LONGEST)
        said = f"it ended with exit code {completed.exit_code}: {why}"
        raise Inconclusive(
            f"the migrations in {image} cannot be read: {said}",
            "check that migrations.python is a plain Python, 3.8 or later, in that image",
        )
    try:
        return read_answer(found[0][len(marker) :])
    except ValueError as error:
        raise Inconclusive(
            f"the migrations in {image} cannot be read: its answer is not what was asked for ({error})",
            "look at that image: its Python does not do what ours does",
        ) from None


def _complaint(completed: Completed) -> str:
    """Docker's own words when the container could not begin, which stand before its advice; else the last words."""
    lines = completed.stderr.decode("utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith("docker: ")), completed.last_line)


def read_answer(text: bytes | str) -> ImageMigrations:
    """Read an answer in JSON, from an image or from the journal. Raises ValueError when it isn't one."""
    try:
        return TypeAdapter(ImageMigrations).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}"[:200]) from None


def _without_secrets(answer: ImageMigrations, redactor: Redactor) -> ImageMigrations:
    """An answer whose reasons quote no secret of the service: a URL in a driver's complaint, say."""
    problems = tuple(Problem(problem.what, redactor.text(problem.why)) for problem in answer.problems)
    return replace(answer, problems=problems)
