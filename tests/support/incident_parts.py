"""Parts of an incident for unit tests: an open incident in a folder, and a `docker` that is a script."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from runbook.hosts.command import Recorder
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import Journal
from runbook.production.compose import Production
from runbook.production.invocation import Invocation
from runbook.secrets.redactor import Redactor
from runbook.settings.schema import Deadlines, Project
from tests.support.engine_server import FakeEngine

#: An environment without a reachable engine.
NOWHERE = {"DOCKER_HOST": "unix:///no/engine.sock"}
DEADLINES = Deadlines(command=10, dump=20, migrate=30, up=40, healthy=50)
#: The command that answers `docker compose … -f - config`.
READS_VALUES = shlex.join((sys.executable, "-I", "-S", str(Path(__file__).with_name("compose_reading.py"))))
#: The Compose command in these tests, without `--project-directory`, since every test has another folder.
COMPOSE = ("docker", "compose", "-p", "shop", "--env-file", ".env", "-f", "docker-compose.yml")


def incident(folder: Path, mode: Mode = Mode.EXECUTE) -> Executor:
    """Return an incident whose journal is in `folder`."""
    return Executor("20251218T030000Z-shop-rollback", mode, Journal(folder / "journal.jsonl", Redactor()))


def production(
    folder: Path, found: Recorder, answers: Mapping[str, str] | None = None, engine: FakeEngine | None = None
) -> Production:
    """Return a production in `folder`, where `docker` is a script.

    The script prints the answer of the first key that occurs in its arguments, and exits 1 if there is none. Queries to
    the engine are answered by `engine`; without one, no engine answers.
    """
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    cases = "".join(
        f"  *{shlex.quote(words)}*) printf '%s' {shlex.quote(answer)}; exit 0;;\n"
        for words, answer in (answers or {}).items()
    )
    script = binaries / "docker"
    values = f"  *'-f - config'*) exec {READS_VALUES} \"$@\";;\n"
    script.write_text(f'#!/bin/sh\ncase "$*" in\n{values}{cases}esac\necho "no answer to $*" >&2; exit 1\n')
    script.chmod(0o755)
    where = engine.environment if engine else NOWHERE
    host = LocalHost({"PATH": f"{binaries}:/usr/bin:/bin", **where}, found)
    project = Project.model_validate({"name": "shop", "directory": str(folder)})
    made = Production(host, project, DEADLINES)
    vars(host)["fake_engine"] = engine  # keeps the engine alive as long as its user
    made.invocation = _Called((), (".env",))
    return made


class _Called(Invocation):
    def argv(self, _project: Project) -> tuple[str, ...]:
        return COMPOSE
