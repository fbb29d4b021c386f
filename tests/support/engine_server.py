"""A small Docker engine for unit tests: the Engine API over a unix socket, in the documented formats.

It answers the runbook's queries and changes nothing (https://docs.docker.com/reference/api/engine/).
"""

import json
import re
import shutil
import socketserver
import struct
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: The members of ContainerInspect that are needed to read a container of a Compose project.
_BLANK: Mapping[str, Any] = {
    "Created": "2025-12-18T03:00:00.000000000Z",
    "State": {"Status": "running", "StartedAt": "2025-12-18T03:00:00.000000000Z", "ExitCode": 0},
    "Config": {"Labels": {}, "Image": "x:1", "Env": [], "Tty": False},
    "NetworkSettings": {"Networks": {}, "Ports": {}},
    "HostConfig": {},
}
_PAGE_NOT_FOUND = 404, {"message": "page not found"}


@dataclass
class FakeEngine:
    """The engine's content: containers and images as inspected, images by each of their references.

    `logs` are bytes as the engine sends them (see `frame`), by container id. `instead` may replace the answer to a
    path: with bytes that are sent as they are, with a status and a value for JSON, or with an error that closes the
    connection.
    """

    containers: list[Any] = field(default_factory=list)
    images: dict[str, Any] = field(default_factory=dict)
    networks: list[Any] = field(default_factory=list)
    info: Any = field(default_factory=lambda: {"Name": "prod-1", "ServerVersion": "28.5.1", "DockerRootDir": "/"})
    version: Any = field(
        default_factory=lambda: {"Version": "28.5.1", "ApiVersion": "1.47", "Os": "linux", "Arch": "amd64"}
    )
    logs: dict[str, bytes] = field(default_factory=dict)
    #: Runs a program in a container: exit code, standard output and standard error, or the engine's error message.
    inside: Callable[[str, list[str]], tuple[int, str, str] | str] = lambda _container, _argv: "no programs here"
    instead: Callable[[str], Any] = lambda _path: None
    #: Each requested path with its query, without the API version.
    asked: list[str] = field(default_factory=list)
    #: Each release sends one event to the followers of events, until the engine is closed.
    stirred: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    #: The events to send, as bytes; when they are used up, the death of the container `c`.
    events: list[bytes] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._run: list[tuple[int, str, str]] = []
        folder = tempfile.mkdtemp(prefix="engine-")  # a socket's path is limited to 107 bytes
        path = f"{folder}/s"
        self.url = f"unix://{path}"
        self._server = _Server(path, _handler(weakref.proxy(self)))
        over = threading.Event()
        threading.Thread(target=self._server.serve_until, args=(over,), daemon=True).start()
        self._ending = weakref.finalize(self, _end, over, folder)

    def close(self) -> None:
        """Stop listening."""
        self._ending()

    @property
    def is_closed(self) -> bool:
        """Whether the engine has stopped listening."""
        return not self._ending.alive

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points a host's client at this engine."""
        return {"DOCKER_HOST": self.url}

    def answer(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:  # noqa: PLR0911 - one per path
        """Return status and content of the answer to a GET request, given without the API version."""
        filters = json.loads(query.get("filters", ["{}"])[0])
        if path == "/version":
            return 200, self.version
        if path == "/info":
            return 200, self.info
        if path == "/containers/json":
            chosen = [each for each in self.containers if query.get("all") == ["1"] or _status(each) == "running"]
            return 200, [_summary(each) for each in chosen if _passes(each, filters)]
        if path == "/networks":
            return 200, [each for each in self.networks if _passes(each, filters)]
        if path == "/images/json":
            return 200, list({each["Id"]: each for each in self.images.values()}.values())
        if found := re.fullmatch(r"/exec/(\d+)/json", path):
            return 200, {"ExitCode": self._run[int(found[1])][0]}
        if found := re.fullmatch(r"/containers/([^/]+)/(json|logs)", path):
            return self._of_container(unquote(found[1]), found[2])
        if found := re.fullmatch(r"/images/(.+)/json", path):
            image = self.images.get(unquote(found[1]))
            return (200, image) if image is not None else (404, {"message": f"No such image: {found[1]}"})
        return _PAGE_NOT_FOUND

    def post(self, path: str, sent: Any) -> tuple[int, Any]:
        """Return status and content of the answer to a POST: exec instances are created and started."""
        if found := re.fullmatch(r"/containers/([^/]+)/exec", path):
            done = self.inside(unquote(found[1]), sent["Cmd"])
            if isinstance(done, str):
                return 409, {"message": done}
            self._run.append(done)
            return 201, {"Id": f"{len(self._run) - 1}"}
        if found := re.fullmatch(r"/exec/(\d+)/start", path):
            _, out, errors = self._run[int(found[1])]
            return 200, b"".join(frame(text, kind) for kind, text in ((1, out), (2, errors)) if text)
        return _PAGE_NOT_FOUND

    def _of_container(self, name: str, what: str) -> tuple[int, Any]:
        for each in self.containers:
            if name in (_of(each, "Id"), str(_of(each, "Name")).lstrip("/")):
                return 200, each if what == "json" else self.logs.get(name, b"")
        return 404, {"message": f"No such container: {name}"}


def container(name: str, **more: Any) -> dict[str, Any]:
    """Return a running container as ContainerInspect shows it, with `labels` and the members in `more`."""
    labels = more.pop("labels", {})
    made = json.loads(json.dumps(dict(_BLANK))) | {"Id": name, "Name": f"/{name}", "Image": "sha256:1"} | more
    made["Config"] = {**_BLANK["Config"], **made["Config"], "Labels": labels}
    return made  # type: ignore[no-any-return]  # JSON


def frame(text: str, stream: int = 1) -> bytes:
    """Return a piece of a log as the engine sends it: 1 is standard output, 2 standard error, 3 the engine's errors."""
    content = text.encode()
    return struct.pack(">B3xL", stream, len(content)) + content


def _end(over: threading.Event, folder: str) -> None:
    over.set()
    shutil.rmtree(folder, ignore_errors=True)


def _of(found: Any, *members: str) -> Any:
    for member in members:
        found = found.get(member) if isinstance(found, Mapping) else None
    return found


def _status(container: Any) -> Any:
    return _of(container, "State", "Status")


def _labels(found: Any) -> Mapping[str, str]:
    return _of(found, "Config", "Labels") or _of(found, "Labels") or {}


def _summary(container: Any) -> Any:
    if not isinstance(container, Mapping):
        return container
    return {"Id": container.get("Id"), "Names": [container.get("Name")], "Labels": _labels(container)}


def _passes(found: Any, filters: Mapping[str, list[str]]) -> bool:
    labels = _labels(found)
    for wanted in filters.get("label", ()):
        name, is_given, value = wanted.partition("=")
        if name not in labels or (is_given and labels[name] != value):
            return False
    name = str(_of(found, "Name")).lstrip("/")
    return all(re.search(pattern, name) for pattern in filters.get("name", ()))


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # as many as a busy machine may leave waiting; with socketserver's 5 some are refused
    timeout = 0.1

    def serve_until(self, over: threading.Event) -> None:
        """Serve requests until `over` is set."""
        with self:
            while not over.is_set():
                self.handle_request()

    def handle_error(self, *_: object) -> None:
        """Ignore errors: clients may disconnect at any time."""


def _handler(engine: FakeEngine) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class inside a function
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = re.sub(r"^/v[\d.]+(?=/)", "", self.path)
            engine.asked.append(path)
            split = urlsplit(path)
            instead = engine.instead(path)
            if isinstance(instead, Exception):
                self.close_connection = True
            elif instead is None and split.path == "/events":
                self._tell_events()
            elif isinstance(instead, bytes):
                self._send(200, instead)
            else:
                self._send(*(instead or engine.answer(split.path, parse_qs(split.query))))

        def do_POST(self) -> None:
            path = re.sub(r"^/v[\d.]+(?=/)", "", self.path)
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            engine.asked.append(path)
            self._send(*engine.post(path, sent))

        def _send(self, status: int, content: Any) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _tell_events(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            died = {"Type": "container", "Action": "die", "Actor": {"ID": "c", "Attributes": {}}}
            while not engine.is_closed:
                if engine.stirred.acquire(timeout=0.05):
                    event = engine.events.pop(0) if engine.events else json.dumps(died).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
                    self.wfile.flush()
            self.close_connection = True

        def address_string(self) -> str:
            return "a client"

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
