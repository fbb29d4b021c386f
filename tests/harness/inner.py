"""A small runbook project in its own folder: our harness, test steps, and a `docker` that answers from files.

The harness tests check the behaviour of pytest. The engine's real answers are tested in tests/engine.
"""

import ast
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.journal.verify import verify
from runbook.report.page.page_check import Page, check_page
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import READS_VALUES
from tests.support.journal_schema import problems

ROOT = Path(__file__).parents[2]
CANARY = "canary/4711 & sons"
DEADLINE = 60  # seconds, for one run

_CONTAINERS = ROOT / "tests" / "support" / "inspected.json"
_DOCKER = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/../asked-of-docker"
case "$1 $2" in
"context inspect") cat "$here/../context.json" ;;
"compose -p")
    case "$*" in
    *" -f - config "*) exec {reads_values} "$@" ;;
    *" config "*) cat "$here/../project.json" ;;
    *) echo "this docker answers no $*" >&2; exit 1 ;;
    esac ;;
*) echo "this docker answers no $1 $2" >&2; exit 1 ;;
esac
"""
_SETTINGS = """
[project]
name = "shop"
directory = "{folder}"
services = ["api"]

[registry]
url = "http://127.0.0.1:1"

[database]
user = "shop"
name = "shop"

[traffic]
public_url = "http://127.0.0.1:1"
check_path = "/orders"
pause = {{ command = ["true"] }}
resume = {{ command = ["true"] }}
state = {{ command = ["echo", "open"] }}

[metrics]
token = {{ env_file = "METRICS_TOKEN" }}

[announcement]
url = {{ file = "{folder}/announce" }}

[ticket]
repository = "shop/shop"
token = {{ env = "TICKET_TOKEN" }}

[logs]
services = ["api"]

[deadlines]
no_answer = 0.1
"""
_STEPS = """
import sys
import time

from pytest_bdd import given, then, when

from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.actions import Action, ActionName, Check, Observation, Scope

CANARY = {canary!r}


def expectation(look):
    return Check("all well", look, "look by hand")


@given("something to begin with")
def begun(context):
    context.incident.record_fact("schema", ["begun"])


@given("the metrics are at hand")
def metrics_at_hand(context):
    assert context.metrics
    context.incident.record_fact("schema", ["metrics"])


@when("a file is made")
def file_made(context) -> Action:
    command = Command(("touch", "made"), 10, context.production.directory)
    return Action(ActionName.BRING_UP, "a file is made", (command,))


@when("a long command is run")
def long_command(context) -> Action:
    command = Command(("sh", "-c", "echo $$ > pid; sleep 60"), 50, context.production.directory)
    return Action(ActionName.DOWNGRADE, "a long command is run", (command,))


@when("a message is sent")
def message_sent(context) -> Action:
    command = Command(("touch", "sent"), 10, context.production.directory)
    change = Action(ActionName.OPEN_TICKET, "a message is sent", (command,), scope=Scope.PEOPLE)
    return change


@then("all is well")
def all_well(context):
    return expectation(lambda: Observation(ok=True, seen="all is well indeed"))


@then("all is not well")
def not_well(context):
    return expectation(lambda: Observation(ok=False, seen="nothing is well"))


@then("nobody knows")
def nobody_knows(context):
    def look():
        raise Inconclusive("nobody answers", "ask again")

    return expectation(look)


@then("there is a bug")
def bug(context):
    value = CANARY
    raise ValueError(f"cannot parse {{value}} here")


@then("there is a warning")
def warning(context):
    import warnings

    warnings.warn("a library is deprecated", DeprecationWarning)
    return all_well(context)


@given("a secret is printed")
def printed(context):
    print("stdout says", CANARY)
    print("stderr says", CANARY, file=sys.stderr)
    begun(context)


@then("a secret fails")
def secret_fails(context):
    print("stdout says", CANARY)
    context.incident.record_fact("schema", [CANARY])
    return expectation(lambda: Observation(ok=False, seen=f"login with {{CANARY}} was refused"))


@then("output is hostile")
def hostile(context):
    said = "\\x1b]0;owned\\x07\\x1b[2J<script>alert(1)</script>\\N{{RIGHT-TO-LEFT OVERRIDE}}"
    return expectation(lambda: Observation(ok=False, seen=said))


@then("the environment is shown")
def environment_shown(context):
    import os

    return expectation(lambda: Observation(ok=False, seen=str(dict(os.environ))))


@then("a coroutine is awaited")
async def coroutine():
    raise AssertionError("ran")
"""


@dataclass
class Ran:
    """One run: exit code, terminal output, and the folder of its record, if it left one."""

    exit_code: int
    terminal: str
    folder: Path | None

    @property
    def lines(self) -> list[str]:
        return self.terminal.splitlines()

    @property
    def page(self) -> str:
        """The record's page, after a check that it matches the journal byte for byte."""
        assert self.folder is not None, self.terminal
        journal = self.folder / "journal.jsonl"
        assert check_page(journal, verify(journal)).kind is Page.FITS
        return (self.folder / "record.html").read_text(encoding="utf-8")

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The entries of the journal, which must be whole and valid by the schema."""
        assert self.folder is not None, self.terminal
        found = verify(self.folder / "journal.jsonl")
        assert found.whole, found.problem
        assert problems(self.folder / "journal.jsonl") == []
        return list(found.entries)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Return the entries of that kind."""
        return [entry for entry in self.journal if entry["kind"] == kind]

    @property
    def ending(self) -> str:
        return str(self.entries("closed")[-1]["outcome"])

    @property
    def scenarios(self) -> dict[str, str]:
        """The outcome of each scenario, run or left out, in order."""
        found = [*self.entries("scenario ended"), *self.entries("scenario left out")]
        return {entry["scenario"]: entry["outcome"] for entry in sorted(found, key=lambda entry: entry["seq"])}


@dataclass
class _Engine(FakeEngine):
    """An engine with the containers from a file, and one container of another project."""

    folder: Path = Path()

    def answer(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
        with (self.folder / "asked-of-docker").open("a") as file:
            file.write(f"{path}\n")
        is_up = not (self.folder / "down").exists()
        ours = json.loads((self.folder / "containers.json").read_text()) if is_up else []
        self.containers = [*ours, container("other", labels={"com.docker.compose.project": "other-project"})]
        return super().answer(path, query)


class Zygote:
    """The process from which runs are forked."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline  # seconds, for one run
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # so that `select` sees all data that can be read
        )

    def run(self, request: dict[str, Any], meanwhile: Callable[[int], None] = lambda _process: None) -> int:
        """Fork the requested run and wait for its end. `meanwhile` gets its process id."""
        assert self._process.stdin is not None
        answers = self._process.stdout
        assert answers is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        process = int(answers.readline())
        try:
            meanwhile(process)
        finally:
            # Always read the exit code, or the next request would read it as its own answer.
            in_time = bool(select.select([answers], [], [], self._deadline)[0])
            if not in_time:
                os.killpg(process, signal.SIGKILL)
            exit_code = int(answers.readline())
        if not in_time:
            raise TimeoutError(f"{request['arguments']} has not ended after {self._deadline} s")
        return exit_code

    def command(self, *arguments: str | Path, folder: Path, said: bytes = b"", **environment: str) -> "Said":
        """Run `python -m runbook` with `said` as standard input. The files of its streams are in `folder`."""
        paths = {name: str(folder / name) for name in ("input", "output", "errors")}
        Path(paths["input"]).write_bytes(said)
        typed = [str(each) for each in arguments]
        request = {"is_command": True, "folder": str(ROOT), "arguments": typed, "environment": environment}
        exit_code = self.run(request | paths)
        return Said(exit_code, Path(paths["output"]).read_bytes(), Path(paths["errors"]).read_bytes())

    def close(self) -> None:
        self._process.communicate(timeout=DEADLINE)


@dataclass(frozen=True)
class Said:
    """A command's exit code and output."""

    exit_code: int
    output: bytes
    errors: bytes


class Runbook:
    """The project in `folder`."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self.search_path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self._zygote = zygote
        self.engine = _Engine(folder=folder)
        self.server = folder / "server"
        self.server.mkdir()
        (folder / "features").mkdir()
        (folder / "bin").mkdir()
        (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        (folder / "conftest.py").write_text(f"pytest_plugins = {[*plugins_of_harness(), 'steps']!r}\n")
        (folder / "steps.py").write_text(_STEPS.format(canary=CANARY))
        (folder / "runbook.toml").write_text(_SETTINGS.format(folder=self.server))
        (self.server / ".env").write_text(f'IMAGE_TAG=v1\nMETRICS_TOKEN="{CANARY}"\n')
        (self.server / "announce").write_text("json://127.0.0.1:1/")
        containers = json.loads(_CONTAINERS.read_text())[:1]
        containers[0]["Config"]["Labels"]["com.docker.compose.project.working_dir"] = str(self.server)
        containers[0]["NetworkSettings"]["Networks"] = {"x": {"IPAddress": "127.0.0.1"}}
        (folder / "containers.json").write_text(json.dumps(containers))
        docker = folder / "bin" / "docker"
        docker.write_text(_DOCKER.replace("{reads_values}", READS_VALUES))
        (folder / "project.json").write_text('{"services": {}}')
        docker.chmod(0o755)

    def feature(self, name: str, *scenarios: str) -> "Runbook":
        """Write a feature file; each scenario is its lines."""
        (self.folder / "features" / name).write_text("\n".join([f"Feature: {name}", *scenarios, ""]))
        return self

    def plugin(self, name: str) -> "Runbook":
        """Add a plugin to the project's conftest.py."""
        conftest = self.folder / "conftest.py"
        conftest.write_text(conftest.read_text().replace("'steps'", f"{name!r}, 'steps'"))
        return self

    def steps(self, code: str) -> "Runbook":
        """Add code to the project's steps.py."""
        with (self.folder / "steps.py").open("a") as file:
            file.write(f"\n\n{code}\n")
        return self

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": self.search_path,
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "DOCKER_HOST": self.engine.url,
            "TICKET_TOKEN": "ticket-canary",
            "LANG": "C.UTF-8",
        }

    def run(
        self,
        *arguments: str,
        meanwhile: Callable[[int], None] = lambda _process: None,
        environment: dict[str, str] | None = None,
        allow_unused: bool = True,
    ) -> Ran:
        """Run `pytest` with these arguments in this project. Unused steps are allowed by default."""
        if allow_unused:
            arguments = (*arguments, "--allow-unused")
        output = self.folder / "terminal.txt"
        known = self.records
        exit_code = self.fork(*arguments, meanwhile=meanwhile, environment=environment, output=str(output))
        new = [folder for folder in self.records if folder not in known]
        assert len(new) <= 1
        return Ran(exit_code, output.read_text(encoding="utf-8"), new[0] if new else None)

    def fork(
        self,
        *arguments: str,
        meanwhile: Callable[[int], None] = lambda _process: None,
        environment: dict[str, str] | None = None,
        **streams: str,
    ) -> int:
        """Run `pytest` with these streams (`output`, maybe `errors`, or a `terminal`) and return its exit code."""
        request = {"folder": str(self.folder), "arguments": arguments, **streams}
        return self._zygote.run(request | {"environment": self.environment | (environment or {})}, meanwhile)

    @property
    def records(self) -> list[Path]:
        reports = self.folder / "reports"
        return sorted(path for path in reports.glob("[!.]*") if path.is_dir())

    @property
    def asked_of_docker(self) -> list[str]:
        asked = self.folder / "asked-of-docker"
        return asked.read_text().splitlines() if asked.exists() else []


def scenario(name: str, *steps: str, tags: str = "") -> str:
    """Return the lines of a scenario."""
    return "\n".join([f"  {tags}" if tags else "", f"  Scenario: {name}", *(f"    {text}" for text in steps)])


def plugins_of_harness() -> list[str]:
    """Return the harness's plugins that the repository's conftest.py names."""
    module = ast.parse((ROOT / "conftest.py").read_text())
    assignment = next(node for node in module.body if isinstance(node, ast.Assign))
    return [name for name in ast.literal_eval(assignment.value) if name.startswith("harness.")]
