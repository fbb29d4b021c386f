"""The shapes of shapes.toml. Each is applied to the practice production, planned for and rolled back."""

import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.docker_host.engine import run as run_command
from rehearsal.incidents.catalogue import find_incident
from tests.engine.conftest import Ran, Rehearsed, docker

INCIDENT = find_incident("regression")
OVERRIDE = "docker-compose.override.yml"
_LABELS = "{io.rollback-runbook.rehearsal: '${COMPOSE_PROJECT_NAME}'}"
_HEAD = f"""\
x-labels: &labels {_LABELS}
x-helper: &helper
  image: rollback-runbook/base:bookworm
  command: [sleep, inf]
  init: true
  stop_grace_period: 1s
  labels: *labels
"""


@dataclass(frozen=True)
class Shape:
    """One shape: the files before production is brought up, how it is brought up, and later changes to the files.

    `first` is an override for the first start; `since` replaces it afterwards. `moved` is the Compose file's place.
    `held` are the words of a plan that must refuse. Otherwise the rollback must pass, with `counts` containers, with
    `recreated` next to it, and `left` unchanged.
    """

    name: str
    override: str = ""
    first: str = ""
    since: str = ""
    edit: tuple[tuple[str, str], ...] = ()
    env: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    call: tuple[str, ...] = ()
    up: tuple[str, ...] = ()
    shell: Mapping[str, str] = field(default_factory=dict)
    moved: str = "docker-compose.yml"
    older: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    to: str = ""
    held: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    recreated: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass
class Tried:
    """The result for one shape. `problems` is empty if plan and execution agree and the final state is right."""

    shape: str
    plan: str
    execution: str
    problems: list[str]
    seconds: float = 0.0


def shapes() -> list[Shape]:
    """Return every shape, in the order of the file."""
    found = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["shape"]
    return [Shape(**each) for each in found]


class Shaped:
    """The practice production, broken by `regression`, which takes on one shape after the other."""

    def __init__(self, here: Rehearsed) -> None:
        self._here = here
        self._server = here.practice.server
        self._compose_text = (self._server / "docker-compose.yml").read_text()
        self._env_text = here.env_file.read_text()
        self._ledger = (self._server / ".runbook/known_good.jsonl").read_text().splitlines(keepends=True)[0]
        self._known = {path.name for path in self._server.iterdir()}

    def tries(self, shape: Shape) -> Tried:
        """Bring production up in this shape with the failed release, plan, execute, and check the final state."""
        settings = self._put_on(shape)
        before = self._containers()
        to = ("--to", shape.to) if shape.to else ()
        plan = self._here.run(*to, settings=settings)
        executed = self._here.run(*to, "--execute", self._here.practice.name, settings=settings)
        problems = self._held(shape, plan, executed) if shape.held else self._passed(shape, plan, executed, before)
        return Tried(shape.name, _ended(plan), _ended(executed), problems)

    def restore(self, shape: Shape) -> None:
        """Remove everything of a shape. The database keeps its rows."""
        self._compose(shape, "--profile", "*", "down", "--remove-orphans", "--timeout", "1")
        for path in self._server.iterdir():
            if path.name not in self._known:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self._server / "docker-compose.yml").write_text(self._compose_text)
        self._here.env_file.write_text(self._env_text)
        for path in (self._server / ".runbook").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self._server / ".runbook/known_good.jsonl").write_text(self._ledger)

    def _put_on(self, shape: Shape) -> Path:
        server, text = self._server, self._compose_text
        for old, new in shape.edit:
            assert old in text, old
            text = text.replace(old, new)
        for name, content in {**shape.files, shape.moved: text}.items():
            (server / name).parent.mkdir(parents=True, exist_ok=True)
            (server / name).write_text(content)
        if shape.moved != "docker-compose.yml":
            (server / "docker-compose.yml").unlink()
        env = shape.env.replace("@tag@", INCIDENT.failed.removeprefix("2025-"))
        kept = [
            line for line in self._env_text.splitlines() if f"{line.partition('=')[0]}=" not in env or "=" not in line
        ]
        self._here.env_file.write_text("\n".join(kept) + "\n" + env)
        if shape.first:
            (server / OVERRIDE).write_text(f"{_HEAD}{shape.first}\n")
            self._compose(shape, "up", "--detach")
            (server / OVERRIDE).unlink()
        if shape.override:
            (server / OVERRIDE).write_text(f"{_HEAD}{shape.override}\n")
        self._compose(shape, "up", "--detach", *shape.up)
        if shape.since:
            (server / OVERRIDE).write_text(f"{_HEAD}{shape.since}\n")
        if shape.older:
            self._make_older(shape.older)
        return self._settings(shape)

    def _settings(self, shape: Shape) -> Path:
        text = self._here.practice.settings.read_text().replace('compose_files = ["docker-compose.yml"]\n', "")
        for old, new in shape.settings:
            assert old in text, old
            text = text.replace(old, new)
        path = self._here.reports.parent / "shape.toml"
        path.write_text(text)
        return path

    def _make_older(self, service: str) -> None:
        """Replace a service's container with one that has only the labels that Compose 2.0 wrote."""
        name = f"{self._here.practice.name}-{service}-1"
        found = json.loads(docker("inspect", name))[0]
        kept = ("project", "service", "oneoff", "container-number", "config-hash", "version")
        labels = {f"com.docker.compose.{key}": found["Config"]["Labels"][f"com.docker.compose.{key}"] for key in kept}
        labels |= {"com.docker.compose.version": "2.0.1", "com.docker.compose.config-hash": "0" * 64}
        labels["io.rollback-runbook.rehearsal"] = self._here.practice.name
        docker("rm", "--force", name)
        given = [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
        network = next(iter(found["NetworkSettings"]["Networks"]))
        docker(
            "run", "--detach", "--init", "--name", name, "--network", network, *given, found["Image"], "sleep", "inf"
        )

    def _compose(self, shape: Shape, *arguments: str) -> None:
        engine = self._here.practice.engine
        environment = {**engine.environment, **shape.shell}
        command = ["docker", "compose", *shape.call, *arguments]
        run_command(command, timeout=180, environment=environment, folder=self._server)

    def _containers(self) -> dict[str, dict[str, Any]]:
        listed = docker(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self._here.practice.name}"
        )
        return {each["Name"].lstrip("/"): each for each in json.loads(docker("inspect", *listed.split()))}

    def _held(self, shape: Shape, plan: Ran, executed: Ran) -> list[str]:
        words = shape.held.replace("@name@", self._here.practice.name)
        problems = [f"the {name} does not say {words!r}" for name, ran in (("plan", plan), ("execution", executed))
                    if words not in " ".join(ran.terminal.split())]  # fmt: skip
        problems += [f"exit code {ran.exit_code}" for ran in (plan, executed) if ran.exit_code == 0]
        begun = [entry["summary"] for entry in executed.of_kind("action") if entry["state"] == "begun"]
        return problems + [f"changed: {summary}" for summary in begun if "fetched" not in summary]

    def _passed(self, shape: Shape, plan: Ran, executed: Ran, before: Mapping[str, dict[str, Any]]) -> list[str]:
        problems = [f"{name}: exit code {ran.exit_code}\n{ran.terminal}" for name, ran in
                    (("plan", plan), ("execution", executed)) if ran.exit_code != 0]  # fmt: skip
        if executed.exit_code != 0:
            return problems
        now = self._containers()
        by_service: dict[str, list[dict[str, Any]]] = {}
        for each in now.values():
            by_service.setdefault(each["Config"]["Labels"]["com.docker.compose.service"], []).append(each)
        for service in ("api", "jobs"):
            images = {each["Config"]["Image"].rpartition(":")[2] for each in by_service.get(service, [])}
            if images != {INCIDENT.live}:
                problems.append(f"{service} runs {images}")
            if len(by_service.get(service, [])) != shape.counts.get(service, 1):
                problems.append(f"{service} has {len(by_service.get(service, []))} containers")
        ids = {each["Id"] for each in now.values()}
        for service in shape.recreated:
            for each in by_service[service]:
                modes = [str(each["HostConfig"][key]) for key in ("NetworkMode", "PidMode", "IpcMode")]
                shared = {mode.removeprefix("container:") for mode in modes if mode.startswith("container:")}
                if not each["State"]["Running"] or not shared <= ids:
                    problems.append(f"{service} shares what is gone")
        fact = executed.fact("together")
        problems += [f"{name} was not named" for name in shape.left if name not in fact["left"]]
        problems += [f"{name} was not named" for name in shape.recreated if name not in fact["recreated"]]
        switched = {"api", "jobs", *shape.recreated}
        problems += [
            f"{name} is another container"
            for name, each in before.items()
            if each["Config"]["Labels"]["com.docker.compose.service"] not in switched
            and (name not in now or now[name]["Id"] != each["Id"])
        ]
        answer = self._here.practice.ask("/orders")
        if (answer.status_code, answer.headers.get("X-Release")) != (200, INCIDENT.live):
            problems.append(f"users get {answer.status_code} of {answer.headers.get('X-Release')}")
        return problems


def _ended(ran: Ran) -> str:
    """Return the outcome of a run, with the step if it stopped."""
    failed = [entry for entry in ran.of_kind("step ended") if entry["outcome"] in ("failed", "inconclusive")]
    if not failed:
        return "passed" if ran.exit_code == 0 else f"exit code {ran.exit_code}"
    return str(failed[0]["detail"])[:200]
