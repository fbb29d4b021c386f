"""Small real parts for unit tests: a recorder that listens, a host, a production, an HTTP server."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from runbook.hosts.command import Begun, Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.files.look import FileLook
from runbook.hosts.host import Host
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.hosts.local import LocalHost
from runbook.production.compose import Production
from runbook.production.invocation import Invocation
from runbook.settings.schema import Deadlines, Project

#: A settings file with only the required settings.
SETTINGS = """
[project]
name = "shop"
directory = "/srv/shop"

[registry]
url = "https://registry.example"

[database]
user = "shop"
name = "shop"

[traffic]
public_url = "https://shop.example"
check_path = "/orders"
pause = { command = ["touch", "closed"] }
resume = { command = ["rm", "closed"] }
state = { command = ["cat", "state"] }

[metrics]
token = { env = "METRICS_TOKEN" }

[announcement]
url = { env = "ANNOUNCEMENT_URL" }

[ticket]
repository = "shop/shop"
token = { env = "TICKET_TOKEN" }
"""


@dataclass
class Heard:
    """Receives the reports of the host and the prober, in place of an incident."""

    ended: list[Completed] = field(default_factory=list)
    stopped: list[tuple[Command, str]] = field(default_factory=list)
    at_large: list[Command] = field(default_factory=list)
    began: list[Command] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    exchanges: list[tuple[str, str, Any, HttpResponse | str]] = field(default_factory=list)
    requests: list[EngineRequest] = field(default_factory=list)
    looks: list[FileLook] = field(default_factory=list)

    def command_began(self, command: Command, _begun: Begun) -> None:
        self.began.append(command)

    def command_progressed(self, _command: Command, line: str) -> None:
        self.said.append(line)

    def command_ended(self, completed: Completed) -> None:
        self.ended.append(completed)

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        self.stopped.append((command, why))
        self.at_large += [command] if at_large else []

    def engine_asked(self, request: EngineRequest) -> None:
        self.requests.append(request)

    def files_looked_at(self, look: FileLook) -> None:
        self.looks.append(look)

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        self.exchanges.append((method, url, sent, answer))


def host(heard: Heard | None = None, environment: Mapping[str, str] | None = None) -> Host:
    return LocalHost(environment or {}, heard or Heard())


def production(directory: Path, **project: Any) -> Production:
    """Return a production in `directory` of this machine. `project` overrides its settings."""
    given = {"name": "shop", "directory": str(directory)} | project
    settings = Project.model_validate(given)
    made = Production(host(), settings, Deadlines(command=10, pull=600, up=180))
    made.invocation = Invocation(settings.compose_files or ("docker-compose.yml",), (settings.env_file,))
    return made


@dataclass(frozen=True)
class Asked:
    """One request as the server received it, with header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer of the server. Anything but bytes is sent as JSON. Headers are pairs if one occurs twice."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = field(default_factory=dict)


@dataclass
class Server:
    """A loopback HTTP server and the requests it received."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[Server]:
    """Run an HTTP server on a loopback port that answers every request with `answer`."""
    known: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(self.command, self.path, headers, body)
            known.append(asked)
            reply = answer(asked)
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            pairs = reply.headers.items() if isinstance(reply.headers, Mapping) else reply.headers
            if "Content-Length" not in dict(pairs):
                self.send_header("Content-Length", str(len(content)))
            for name, value in pairs:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - http.server requires these names

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{server.server_port}", known)
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asking(deadline: float = 5.0, heard: Heard | None = None) -> Iterator[HttpClient]:
    """Return an HTTP client; `deadline` is in seconds, for each exchange."""
    prober = HttpClient(deadline, heard or Heard())
    try:
        yield prober
    finally:
        prober.close()
