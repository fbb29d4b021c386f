"""The Docker engine's API, read-only. Each call has a deadline and is recorded."""

import io
import shlex
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from runbook.errors import CommandSaidTooMuch, CommandTimedOut, EngineError
from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.engine.request import EngineRecorder, EngineRequest, reason
from runbook.hosts.in_time import within
from runbook.text import beginning, visible

if TYPE_CHECKING:  # it imports the SDK, which takes longer than a call
    from runbook.hosts.engine.transport import Connection, Notes

_Found = TypeVar("_Found")
_CHUNK = 64 << 10  # bytes
_MOST_OBJECTS = 10_000
_OF_THE_ENGINE = 3  # the stream of the engine's errors
_SAID = 200  # characters of the engine's message
#: Default maximum of bytes that a program in a container may print.
LARGEST_OUTPUT = 32 << 20
_STANDARD_ERROR = 2


class _TornError(Exception):
    """The engine reported an error in the middle of a stream."""


class Executed(NamedTuple):
    """The exit code and output of a program in a container."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class EngineApi:
    """One engine. Each call raises EngineError if there is no readable answer within its `deadline`, in seconds."""

    def __init__(self, address: Callable[[], EngineAddress], recorder: EngineRecorder) -> None:
        self._address = address
        self._recorder = recorder
        self._connection: Connection | None = None
        # Calls may be concurrent.
        self._connecting = threading.Lock()

    def containers(self, labels: Sequence[str], deadline: float, *, running: bool = False) -> list[dict[str, Any]]:
        """Return each container with these labels (`name` or `name=value`), as ContainerInspect.

        Containers removed meanwhile are left out. With `running`, only running containers are returned.
        """

        def ask(client: Any) -> list[dict[str, Any]]:
            listed = _objects(client.containers(all=not running, filters={"label": list(labels)}))
            return _each(client.inspect_container, (_text(each["Id"]) for each in listed))

        return self._look(ask, deadline)

    def container(self, name: str, deadline: float) -> dict[str, Any] | None:
        """Return a container as ContainerInspect; None if there is none of this name."""
        return self._look(lambda client: next(iter(_each(client.inspect_container, [name])), None), deadline)

    def memory_of(self, name: str, deadline: float) -> int | None:
        """Return the bytes of memory that a container uses, without inactive file cache; None when it does not run."""

        def ask(client: Any) -> int | None:
            found = _object(_object(client.stats(name, stream=False, one_shot=True)).get("memory_stats") or {})
            kept: Mapping[str, Any] = found.get("stats") or {}
            # cgroup v2, and v1.
            dropped = int(kept.get("inactive_file") or kept.get("total_inactive_file") or 0)
            return int(found["usage"]) - dropped if found.get("usage") else None

        return self._look(ask, deadline)

    def labels_of_running(self, deadline: float) -> list[Mapping[str, Any]]:
        """Return the labels of each running container."""
        return self._look(
            lambda client: [_object(each["Labels"] or {}) for each in _objects(client.containers())], deadline
        )

    def labelled(self, kind: str, filters: Mapping[str, str], deadline: float) -> list[tuple[str, Mapping[str, Any]]]:
        """Return id and labels of each `container` or `network` (`kind`) that matches `filters`, running or not."""

        def ask(client: Any) -> list[tuple[str, Mapping[str, Any]]]:
            wanted = dict(filters)
            found = (
                client.containers(all=True, filters=wanted) if kind == "container" else client.networks(filters=wanted)
            )
            return [(_text(each["Id"]), _object(each["Labels"] or {})) for each in _objects(found)]

        return self._look(ask, deadline)

    def image(self, reference: str, deadline: float) -> dict[str, Any] | None:
        """Return a local image as ImageInspect; None if there is none of this reference."""
        return self._look(lambda client: next(iter(_each(client.inspect_image, [reference])), None), deadline)

    def images(self, deadline: float) -> list[dict[str, Any]]:
        """Return the local images, each as ImageSummary."""
        return self._look(lambda client: _objects(client.images()), deadline)

    def images_of(self, ids: Sequence[str], deadline: float) -> list[dict[str, Any]]:
        """Return these images as ImageInspect. Images removed meanwhile are left out."""
        return self._look(lambda client: _each(client.inspect_image, ids), deadline)

    def info(self, deadline: float) -> dict[str, Any]:
        """Return the engine's information about itself and its machine, as SystemInfo."""
        return self._look(lambda client: _object(client.info()), deadline)

    def version(self, deadline: float) -> dict[str, Any]:
        """Return the engine's version and platform, as SystemVersion."""
        return self._look(lambda client: _object(client.version()), deadline)

    def logs(  # noqa: PLR0913 - the container, and the selection of its logs
        self,
        container: str,
        take: Callable[[bytes], None],
        deadline: float,
        *,
        tty: bool,
        since: float | None = None,
        tail: int | None = None,
        most: int,
    ) -> bool:
        """Pass the logs of a container to `take` as they come, both streams in the order of writing.

        `since` is in seconds since 1970. With `tail` only that many last lines are read. The log of a container with a
        terminal (`tty`) is one stream without frames. Returns False if the log was cut off: it has more than `most`
        bytes, or the deadline passed.
        """
        until = time.monotonic() + deadline

        def ask(client: Any) -> bool:
            options = {"stdout": 1, "stderr": 1, "tail": "all" if tail is None else tail}
            asked = options if since is None else {**options, "since": f"{since:.6f}"}
            url = f"{client.base_url}/v{client.api_version}/containers/{quote(container, safe='')}/logs"
            answer = client.get(url, params=asked, stream=True, timeout=client.timeout)
            answer.raise_for_status()
            try:
                size = 0
                for chunk in _raw(answer.raw) if tty else _framed(answer.raw):
                    size += len(chunk)
                    if size > most or time.monotonic() > until:
                        return False
                    take(chunk)
                return True
            finally:
                answer.close()

        return self._look(ask, deadline)

    def execute(self, container: str, argv: Sequence[str], deadline: float, most: int | None) -> Executed:
        """Run a read-only program in a running container, and return its exit code and output.

        If the program cannot be run, the exit code is 1 and standard error is the engine's message. Raises
        CommandTimedOut at the deadline, which does not stop the program, and CommandSaidTooMuch for more than `most`
        bytes (None: `LARGEST_OUTPUT`).
        """
        typed = shlex.join(argv)
        limit = LARGEST_OUTPUT if most is None else most

        def ask(client: Any) -> Executed:
            from docker.errors import APIError  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

            try:
                made = _text(client.exec_create(container, list(argv))["Id"])
                streams = _streams(client, made, deadline, limit)
            except APIError as error:
                if error.response.status_code >= 500 or not _message(error.response):
                    raise
                return Executed(1, b"", _message(error.response).encode() + b"\n")
            if streams is None:
                raise CommandSaidTooMuch(
                    f"`{typed}` printed more than {limit} bytes in its container", "run it there to see its output"
                )
            return Executed(int(client.exec_inspect(made)["ExitCode"]), *streams)

        return self._look(
            ask,
            deadline,
            late=CommandTimedOut(
                f"`{typed}` did not end within {deadline:g} s in its container; it may still be running",
                "check that container, or raise the deadline under [deadlines]",
            ),
        )

    def close(self) -> None:
        """Close the connection. The next call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _look(self, ask: Callable[[Any], _Found], deadline: float, late: CommandTimedOut | None = None) -> _Found:
        from runbook.hosts.engine.transport import Notes  # noqa: PLC0415 - imported by the first call

        address, notes = self._address(), Notes()
        asked: list[EngineRequest] = []
        why = "interrupted"
        try:
            return within(deadline, lambda: ask(self._client(address, notes)))
        except Exception as error:  # noqa: BLE001 - raised below
            failed, why = error, str(error)
        finally:
            asked = notes.over(why)
            for request in asked:
                self._recorder.engine_asked(request)
        self.close()  # the next call reconnects, and asks for the version again
        if isinstance(failed, CommandSaidTooMuch):
            raise failed
        if late is not None and isinstance(failed, TimeoutError):
            raise late from None
        last = f"{asked[-1].method} {asked[-1].path}" if asked else "the engine"
        raise _told(failed, last, address) from None

    def _client(self, address: EngineAddress, notes: "Notes") -> Any:
        from runbook.hosts.engine.transport import Connection  # noqa: PLC0415 - as above

        with self._connecting:
            connection = self._connection = self._connection or Connection(address, notes)
        connection.note_in(notes)
        return connection.client


def check_answers(url: str) -> str:
    """Return the command that shows whether the engine at `url` answers."""
    return f"docker --host {shlex.quote(url)} version"


def _told(error: Exception, asked: str, address: EngineAddress) -> EngineError:
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - as above
    from requests import HTTPError, RequestException  # noqa: PLC0415 - as above

    url = address.name or address.url
    next_step = f"check that the engine answers: {check_answers(url)}"
    answer = getattr(error, "response", None)
    if isinstance(error, APIError | HTTPError) and answer is not None:
        said = beginning(visible(_message(answer)), _SAID)
        return EngineError(f"{asked} returned status {answer.status_code}: {said or 'no message'}", next_step)
    if isinstance(error, _TornError):
        said = beginning(visible(str(error).strip()), _SAID)
        return EngineError(f"{asked} returned an error in the stream: {said}", next_step)
    unreadable = isinstance(error, ValueError) and not isinstance(error, UnicodeError)
    if isinstance(error, OSError | RequestException | DockerException | TimeoutError) and not unreadable:
        why = beginning(visible(address.trouble() or reason(error)), _SAID)
        return EngineError(
            f"{asked} could not reach a Docker engine at {url}: {why}",
            f"check that the engine runs and that this user may use it: {check_answers(url)}",
        )
    return EngineError(f"{asked} returned an answer that cannot be read", next_step)


def _streams(client: Any, made: str, deadline: float, limit: int) -> tuple[bytes, bytes] | None:
    """Start a program, and return its standard output and standard error; None above `limit` bytes."""
    url = f"{client.base_url}/v{client.api_version}/exec/{made}/start"
    answer = client.post(url, json={"Detach": False, "Tty": False}, stream=True, timeout=deadline)
    client._raise_for_status(answer)  # noqa: SLF001 - keeps the engine's message
    try:
        found, size = (bytearray(), bytearray()), 0
        for kind, chunk in _frames(answer.raw):
            found[kind == _STANDARD_ERROR].extend(chunk)
            size += len(chunk)
            if size > limit:
                return None
        return bytes(found[0]), bytes(found[1])
    finally:
        answer.close()


def _message(answer: Any) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, LookupError, TypeError, RecursionError, RuntimeError):
        return ""


def _each(inspect: Callable[[str], Any], names: Sequence[str] | Iterator[str]) -> list[dict[str, Any]]:
    from docker.errors import APIError  # noqa: PLC0415 - imported by the first call

    found = []
    for name in names:
        try:
            found.append(_object(inspect(name)))
        except APIError as error:
            if error.response.status_code != 404 or not _message(error.response):
                raise
    return found


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found


def _objects(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or len(found) > _MOST_OBJECTS:
        raise TypeError("no list of objects")
    return [_object(each) for each in found]


def _text(found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise TypeError("no text")
    return found


def _raw(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _framed(stream: Any) -> Iterator[bytes]:
    return (chunk for _, chunk in _frames(stream))


def _frames(raw: Any) -> Iterator[tuple[int, bytes]]:
    # Engine API, "Stream format": one byte for the stream, three zero bytes, four for the length, then the payload.
    # Each log line has its own frame, therefore the buffer.
    raw.auto_close = False  # BufferedReader raises if the stream closes itself at its end; the caller closes it
    stream = io.BufferedReader(raw, _CHUNK)
    while header := stream.read(8):
        kind, left = struct.unpack(">B3xL", header)
        if kind == _OF_THE_ENGINE:
            raise _TornError(bytes(stream.read(min(left, _CHUNK))).decode("utf-8", errors="replace"))
        while left:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                raise ValueError("a frame that breaks off")
            left -= len(chunk)
            yield kind, chunk


def seconds_ago(seconds: float) -> float:
    """Return the time `seconds` ago, in seconds since 1970, for `logs`."""
    return time.time() - seconds
