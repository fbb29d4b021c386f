"""Inspection of a running Compose project without settings: labels, files, images, ports, health checks, env file.

Nothing is changed. Values of variables are never kept, except the names of the database and its user.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook.errors import CommandFailed, ProductionError, RunbookError
from runbook.hosts.command import Command, NullRecorder, parsed_json
from runbook.hosts.host import Host
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.hosts.local import LocalHost
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.release import PROBE, ImageName, TagForm
from runbook.settings.schema import Deadlines, Project
from runbook.targets.registry import address_of

_NAME = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_IN_CHECK = re.compile(r"https?://[\w.\[\]-]+?(?::(\d+))?(/[^\s'\"|;&)]*)?(?=[\s'\"|;&)]|$)")
#: A port in a start command: 0.0.0.0:8000, --port=8000, -p 8000.
_IN_COMMAND = re.compile(r"(?:[:=]|(?:-p|--port)\s+)(\d{2,5})(?![\w.:])")
_USUAL_PORTS = (8000, 8080, 3000, 5000, 80)
#: Usual health paths of applications, those with the most detailed answers first.
_PATHS = ("/readyz", "/ready", "/health", "/health/", "/healthz", "/healthz/", "/api/health", "/livez", "/ping", "/up")
_GATEWAYS = ("haproxy", "nginx", "traefik", "caddy", "envoy")
_FIND = (
    "for f in alembic.ini migrations/alembic.ini */alembic.ini */*/alembic.ini */*/*/alembic.ini manage.py"
    ' */migrations/0001_*.py; do [ -f "$f" ] && echo "$f"; done;'
    r" grep -qs '^\[tool\.alembic\]' pyproject.toml && echo pyproject.toml;"
    " grep -qs current_app migrations/env.py && echo Flask-Migrate;"
    " command -v flask; command -v python3 || command -v python; true"
)
_DEADLINE = 20.0
#: A finished service has nothing to roll back. A service in a crash loop is a typical reason for a rollback.
_AT_WORK = ("running", "restarting")


class _Nobody:
    """A recorder that records nothing."""

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Answer:
    """The answer of one path of the application: the status, and the body's JSON if it is an object."""

    path: str
    status: int
    json: Mapping[str, Any] | None = None
    text: str = ""


@dataclass
class Seen:
    """The result of the inspection. Facts that were not found are empty."""

    name: str
    directory: str
    config_files: tuple[str, ...] = ()
    env_file: str = ".env"
    variables: tuple[str, ...] = ()
    tag_variable: str = ""
    #: The services whose image follows the tag, the application's main service first.
    services: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    #: Services whose image follows the tag, without a running container: finished, or never started.
    at_rest: tuple[str, ...] = ()
    #: The address of the registry in the first service's image.
    registry: str = ""
    port: int = 0
    checked_path: str = ""
    has_health_check: bool = False
    answers: Mapping[str, Answer] = field(default_factory=dict)
    migrations: tuple[str, ...] = ()
    database: str = ""
    database_user: str = ""
    database_name: str = ""
    database_url: str = ""
    gateway: str = ""
    gateway_image: str = ""
    public_url: str = ""
    #: The path probed at `public_url`, and the status of its answer; 0 without an answer.
    public_path: str = "/"
    public_status: int = 0


def look(folder: Path | None) -> Seen:
    """Inspect the project that was started from `folder`, or the only one on this host.

    Raises ProductionError when no project, or more than one, matches.
    """
    host = LocalHost({}, NullRecorder())
    name, directory = _project(host, folder)
    project = Project.model_validate({"name": name, "directory": directory, "services": ["?"]})
    production = Production(host, project, Deadlines())
    containers = production.running()
    inspected = {str(each["Id"]): each for each in production.inspect_containers()}
    first = containers[0]
    seen = Seen(name, directory, tuple(_below(path, directory) for path in first.config_files))
    env_files = [_below(path, directory) for path in first.env_files] or [".env"]
    told = {path: _variables(Path(directory) / path) for path in env_files}
    seen.variables = tuple(dict.fromkeys(name for names in told.values() for name in names))
    # With the services known, Compose is called with the files that their labels name.
    known = {"env_file": env_files[0], "services": tuple(dict.fromkeys(each.service for each in containers))}
    production = Production(host, project.model_copy(update=known), Deadlines())
    _follow_tag(production, seen, containers)
    # With several env files, the last one that has the variable wins.
    seen.env_file = next((path for path in reversed(env_files) if seen.tag_variable in told[path]), env_files[0])
    api = [each for each in containers if seen.services and each.service == seen.services[0]]
    _look_at_gateway(seen, containers)
    if api:
        _look_at_api(production, seen, api[0], inspected.get(api[0].id, {}))
    _look_at_database(seen, containers)
    if seen.public_url:
        _look_at_public_address(seen)
    return seen


def _look_at_public_address(seen: Seen) -> None:
    """Find a path that the application answers at the public address: / or a health path."""
    http = HttpClient(3.0, _Nobody())
    try:
        healthy = [path for path, answer in seen.answers.items() if answer.status == 200 and path != "/metrics"]
        for path in ("/", *healthy):
            try:
                status = http.get(seen.public_url + path).status
            except RunbookError:
                continue
            if path == "/" or status < 400:
                seen.public_path, seen.public_status = path, status
            if status < 400:
                return
    finally:
        http.close()


def _project(host: Host, folder: Path | None) -> tuple[str, str]:
    asking = Command(("docker", "compose", "ls", "--format", "json"), _DEADLINE)
    try:
        answer = host.check(asking)
    except CommandFailed as error:
        # Without Compose v2, docker reads the options of `compose` as its own.
        raise ProductionError(
            error.seen, "check that this user's docker has Compose v2: type docker compose version"
        ) from None
    listed = [each for each in parsed_json(answer, list) if "running" in str(each.get("Status"))]
    places: dict[str, str] = {}
    for each in listed:
        label = "com.docker.compose.project.working_dir"
        about = ("docker", "ps", "--filter", f"label=com.docker.compose.project={each['Name']}", "--format")
        places[str(each["Name"])] = host.check(Command((*about, f'{{{{.Label "{label}"}}}}'), _DEADLINE)).text.split(
            "\n"
        )[0]
    wanted = str(folder.absolute()) if folder else ""
    found = [
        (name, place) for name, place in places.items() if not wanted or Path(place).resolve() == Path(wanted).resolve()
    ]
    if len(found) != 1:
        known = "; ".join(f"{name} in {place}" for name, place in sorted(places.items())) or "none"
        told = f"no running project was started from {wanted}" if wanted else "exactly one running project was expected"
        raise ProductionError(f"{told} (running: {known})", "name its folder: type runbook init FOLDER")
    return found[0]


def _below(path: str, directory: str) -> str:
    return path.removeprefix(f"{directory.rstrip('/')}/")


def _variables(path: Path) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(_NAME.findall(path.read_text(encoding="utf-8", errors="replace"))))
    except OSError:
        return ()


def _follow_tag(production: Production, seen: Seen, containers: list[Container]) -> None:
    """Find the variable that names the release: the one that sets the image tag of the most services."""
    now = production.services()
    best: tuple[str, list[str]] = ("", [])
    likely = sorted(seen.variables, key=lambda name: (not re.search(r"TAG|VERSION|RELEASE", name), name))
    for variable in likely[:40]:
        try:
            probed = production.services(variables={variable: PROBE})
        except RunbookError:
            continue
        follow = [name for name, service in probed.items() if _follows(name, variable, str(service.get("image", "")))]
        if len(follow) > len(best[1]):
            best = (variable, follow)
        if follow and re.search(r"TAG|VERSION|RELEASE", variable):
            break
    seen.tag_variable = best[0]
    there = [name for name in best[1] if any(each.service == name and each.state in _AT_WORK for each in containers)]
    ports = {
        name: bool(now[name].get("ports") or now[name].get("expose") or now[name].get("healthcheck")) for name in there
    }
    words = ("api", "web", "app", "server", "backend")
    order = sorted(
        there, key=lambda name: (next((n for n, word in enumerate(words) if word in name), 9), not ports[name], name)
    )
    seen.services = tuple(order)
    seen.at_rest = tuple(sorted(set(best[1]) - set(order)))
    seen.others = tuple(sorted({*now} - {*best[1]}))
    seen.registry = next((address_of(ImageName.parse(str(now[name]["image"]))) for name in order), "")


def _follows(service: str, variable: str, image: str) -> bool:
    """Tell whether the variable is the tag of that image, or a part of the tag."""
    try:
        TagForm.learned(service, variable, image)
    except ProductionError:
        return False
    return True


def _look_at_api(production: Production, seen: Seen, api: Container, found: Mapping[str, Any]) -> None:
    config = found.get("Config") or {}
    check = " ".join(map(str, (config.get("Healthcheck") or {}).get("Test") or ()))
    seen.has_health_check = api.health != "none"
    named = _IN_CHECK.search(check)
    exposed = sorted(int(port.partition("/")[0]) for port in config.get("ExposedPorts") or {} if port.endswith("/tcp"))
    command = " ".join(map(str, [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]))
    told = [int(named[1])] if named and named[1] else [*api.ports, *exposed]
    told = told or [*dict.fromkeys(int(port) for port in _IN_COMMAND.findall(command)), *_USUAL_PORTS]
    seen.checked_path = (named[2] or "/") if named else ""
    answer = production.host.run(production.compose("exec", "-T", api.service, "sh", "-c", _FIND))
    seen.migrations = tuple(dict.fromkeys(answer.text.split())) if answer.exit_code == 0 else ()
    host = seen.public_url.partition("://")[2]
    http = HttpClient(3.0, _Nobody())
    try:
        reached = (port for port in told if _ask(http, _places(api, port), "/", host, pages=True))
        seen.port = next(reached, told[0] if len(told) < len(_USUAL_PORTS) else 0)
        places = _places(api, seen.port)
        for path in dict.fromkeys(filter(None, (seen.checked_path, *_PATHS, "/metrics"))):
            if found_there := _ask(http, places, path, host):
                seen.answers = {**seen.answers, path: found_there}
    finally:
        http.close()


def _places(api: Container, port: int) -> list[str]:
    """Return the addresses at which that port of the container is reachable."""
    found = [f"{address}:{port}" for address in api.addresses if port]
    return [*found, api.ports[port]] if port in api.ports else found


def _ask(http: HttpClient, places: list[str], path: str, host: str = "", *, pages: bool = False) -> Answer | None:
    """Return the answer of the first of these places, requested with the users' Host header, or None.

    Without `pages`, an HTML page counts as no answer.
    """
    for place in places:
        try:
            answer = http.get(f"http://{place}{path}", {"Host": host} if host else {})
        except RunbookError:
            continue
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not pages and "<html" in answer.body[:2000].lower() and answer.status < 300:
            return None  # single-page applications answer every path with the same page
        return Answer(path, answer.status, said if isinstance(said, dict) else None, answer.body[:2000])
    return None


def _is_database(each: Container) -> bool:
    return "postgres" in each.image_name.lower() or bool({"POSTGRES_USER", "POSTGRES_DB"} & {*each.environment})


def _look_at_database(seen: Seen, containers: list[Container]) -> None:
    for each in containers:
        if _is_database(each):
            seen.database = each.service
            seen.database_user = each.environment.get("POSTGRES_USER", "postgres")
            seen.database_name = each.environment.get("POSTGRES_DB", seen.database_user)
            return
    urls = [name for name in seen.variables if re.search(r"DATABASE_URL|POSTGRES_URL|DB_URL|DSN", name)]
    seen.database_url = next(iter(urls), "")


def _look_at_gateway(seen: Seen, containers: list[Container]) -> None:
    """Find the users' entry point: a gateway by its name, else another service that publishes a port, else the app."""
    others = [each for each in containers if each.service not in seen.services and not _is_database(each)]
    kinds = {
        each.service: next((k for k in _GATEWAYS if k in each.image_name.lower() or k in each.service), "")
        for each in others
    }
    named = [each for each in others if kinds[each.service] or each.service in ("gateway", "proxy")]
    own = [each for each in containers if each.service == next(iter(seen.services), "")]
    # With several such services the entry point is ambiguous: take none.
    publish = [each for each in others if each.ports] if not any(each.ports for each in own) else []
    for each in (*named[:1], *(publish if len({one.service for one in publish}) == 1 else ())):
        seen.gateway, seen.gateway_image = each.service, kinds[each.service] or each.image_name
        seen.public_url = f"http://{min(each.ports.items())[1]}" if each.ports else ""
        return
    published = next((each for each in own if each.ports), None)
    if published:
        seen.public_url = f"http://{min(published.ports.items())[1]}"
