"""The engine's API: each request has a deadline and is recorded, and an unreadable answer is an error."""

import contextlib
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import EngineError
from runbook.hosts.local import LocalHost
from tests.support.engine_server import FakeEngine, container, frame
from tests.support.parts import Heard, Reply, serving

PROJECT = "com.docker.compose.project"


def host(engine: FakeEngine, heard: Heard | None = None) -> LocalHost:
    return LocalHost(engine.environment, heard or Heard())


def test_every_request_is_on_record_with_its_query() -> None:
    """Each request is recorded with method, path, query, status and time; the version is asked for once."""
    engine, heard = FakeEngine([container("c1", labels={PROJECT: "shop"})]), Heard()
    asked = host(engine, heard).engine
    assert [each["Id"] for each in asked.containers([f"{PROJECT}=shop"], 5)] == ["c1"]
    assert asked.image("shop/api:v1", 5) is None
    paths = [request.path for request in heard.requests]
    assert paths[0] == "/version"
    assert paths[1].startswith("/v1.47/containers/json?")
    assert "com.docker.compose.project%3Dshop" in paths[1]
    assert paths[2:] == ["/v1.47/containers/c1/json", "/v1.47/images/shop/api:v1/json"]
    assert {request.method for request in heard.requests} == {"GET"}
    assert [request.status for request in heard.requests] == [200, 200, 200, 404]
    assert all(0 <= request.seconds < 5 for request in heard.requests)


def test_only_containers_with_all_labels_are_looked_at() -> None:
    """Only containers with all the labels are inspected."""
    labels = {PROJECT: "shop", "com.docker.compose.oneoff": "True"}
    engine = FakeEngine([container("c1", labels=labels), container("c2", labels={PROJECT: "other"})])
    assert host(engine).engine.containers([f"{PROJECT}=shop", "com.docker.compose.oneoff=False"], 5) == []
    assert not any("c1" in path or "c2" in path for path in engine.asked)


@contextmanager
def dripping(folder: Path) -> Iterator[str]:
    """Yield the URL of an engine that sends one byte of its headers every 50 ms, without end."""
    path = f"{folder}/s"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    over = threading.Event()

    def drip() -> None:
        server.accept()[0].close()  # the client first tries whether anything listens
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        over.set()
        thread.join()
        server.close()


def test_engine_that_drips_its_answer_is_left_at_the_deadline() -> None:
    """An answer sent byte by byte is abandoned at the deadline of the whole request, which is recorded."""
    heard, engine = Heard(), FakeEngine()
    folder = Path(engine.url.removeprefix("unix://")).parent  # short enough for the path of a socket
    engine_folder = folder / "d"
    engine_folder.mkdir()
    with dripping(engine_folder) as url:
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"GET /version .* the answer was not complete after 0.4 s"):
            LocalHost({"DOCKER_HOST": url}, heard).engine.info(0.4)
        assert time.monotonic() - began < 5
    assert [(each.path, each.status, each.error) for each in heard.requests] == [
        ("/version", None, "the answer was not complete after 0.4 s")
    ]


def test_answer_without_an_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer above the size limit is an error."""
    monkeypatch.setattr("runbook.hosts.engine.transport.LARGEST_ANSWER", 1000)
    engine = FakeEngine(images={"x": {"Id": "sha256:1", "RepoTags": ["y" * 2000]}})
    with pytest.raises(EngineError, match="cannot be read"):
        host(engine).engine.images(5)


def test_client_is_made_anew_when_the_engine_was_gone() -> None:
    """After the engine was gone, it is asked for its version again, which may have changed."""
    engine = FakeEngine()
    asked = host(engine).engine
    asked.info(5)
    engine.instead = lambda _path: OSError()
    with pytest.raises(EngineError, match="could not reach a Docker engine"):
        asked.info(5)
    engine.instead, engine.version = lambda _path: None, engine.version | {"ApiVersion": "1.44"}
    asked.info(5)
    assert engine.asked[-2:] == ["/version", "/info"]


def test_redirect_is_not_followed() -> None:
    """A redirect from the engine's address is not followed."""
    with elsewhere() as (url, asked), pytest.raises(EngineError):
        LocalHost({"DOCKER_HOST": url}, Heard()).engine.info(5)
    assert asked == ["/version"]


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of an engine on TCP that redirects every request, and the paths requested."""
    with serving(lambda _asked: Reply(302, b"", {"Location": "/elsewhere"})) as server:
        paths: list[str] = []
        yield server.url.replace("http:", "tcp:"), paths
        paths += [asked.path for asked in server.asked]


@pytest.mark.parametrize("reader", ["container", "image"])
def test_name_is_one_part_of_the_path(reader: str) -> None:
    """Special characters in a name are escaped, so nothing else is requested."""
    engine = FakeEngine()
    getattr(host(engine).engine, reader)("x?y=1#z", 5)
    assert engine.asked[-1].endswith("x%3Fy%3D1%23z/json")


def read(engine: FakeEngine, **options: Any) -> tuple[bool, bytes]:
    found: list[bytes] = []
    whole = host(engine).engine.logs("c1", found.append, 5, **{"tty": False, "most": 1 << 20} | options)
    return whole, b"".join(found)


def test_log_is_read_from_its_frames() -> None:
    """Both streams of a log are read in order; a container without a log has none."""
    engine = FakeEngine([container("c1")], logs={"c1": frame("one\n") + frame("two\n", 2)})
    assert read(engine, since=1.5, tail=7) == (True, b"one\ntwo\n")
    assert engine.asked[-1] == "/containers/c1/logs?stdout=1&stderr=1&tail=7&since=1.500000"
    engine.logs = {}
    assert read(engine) == (True, b"")


def test_log_of_a_terminal_has_no_frames() -> None:
    """The log of a terminal is read without frames."""
    engine = FakeEngine([container("c1")], logs={"c1": b"\x01one\n"})
    assert read(engine, tty=True) == (True, b"\x01one\n")


def test_frame_that_claims_to_be_endless_takes_no_memory() -> None:
    """A frame that claims 4 GiB takes no memory for bytes that never come."""
    engine = FakeEngine([container("c1")], logs={"c1": b"\x01\0\0\0\xff\xff\xff\xff" + b"x" * 100})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineError, match="cannot be read"):
        read(engine)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def test_log_that_is_too_long_is_left() -> None:
    """At most `most` bytes of a log are read."""
    engine = FakeEngine([container("c1")], logs={"c1": frame("x" * 600) * 2})
    assert read(engine, most=1000) == (False, b"x" * 600)


def test_interrupted_look_is_on_record() -> None:
    """A request interrupted by Ctrl-C is recorded as interrupted."""
    heard = Heard()
    silent = threading.Event()
    engine = FakeEngine(instead=lambda path: silent.wait(5) and None if path == "/info" else None)

    begun = host(engine, heard).engine
    begun.version(5)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        begun.info(5)
    timer.join()
    silent.set()
    assert [each.error for each in heard.requests if each.path.endswith("/info")] == ["interrupted"]
