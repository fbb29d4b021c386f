"""Parts of an incident that unit tests share: an open incident in a folder, and a `docker` that answers by a script."""

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

#: The environment in which no engine answers.
NOWHERE = {"DOCKER_HOST": "unix:///no/engine.sock"}
DEADLINES = Deadlines(command=10, dump=20, migrate=30, up=40, healthy=50)
#: What answers in the place of `docker compose … -f - config`.
READS_VALUES = shlex.join((sys.executable, "-I", "-S", str(Path(__file__).with_name("compose_reading.py"))))
#: How Compose is called here: every test's folder is another one, so `--project-directory` is left out of it.
COMPOSE = ("docker", "compose", "-p", "shop", "--env-file", ".env", "-f", "docker-compose.yml")


def incident(folder: Path, mode: Mode = Mode.EXECUTE) -> Executor:
    """An incident whose journal lies in `folder`."""
    return Executor("20251218T030000Z-shop-rollback", mode, Journal(folder / "journal.jsonl", Redactor()))


def production(
    folder: Path, found: Recorder, answers: Mapping[str, str] | None = None, engine: FakeEngine | None = None
) -> Production:
    """A production in `folder`, where `docker` is a script.

    It prints the answer of the first key that stands in its arguments, and exits 1 when there is none. What is looked
    at is answered by `engine`; without one no engine answers.
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
    vars(host)["fake_engine"] = engine  # which ends with who uses it
    made.invocation = _Called((), (".env",))
    return made


class _Called(Invocation):
    def argv(self, _project: Project) -> tuple[str, ...]:
        return COMPOSE
