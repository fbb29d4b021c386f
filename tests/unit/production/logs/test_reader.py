"""Errors in logs: recognised in the output of real frameworks, and counted by signature."""

import re
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.production.logs.counter import signature_of
from runbook.production.logs.reader import LogErrors, Logs
from runbook.secrets.redactor import Redactor
from runbook.settings.application import LogSettings
from tests.support.engine_server import FakeEngine, container, frame
from tests.support.incident_parts import production
from tests.support.log_lines import errors_in
from tests.support.parts import Heard

TRACEBACK = """\
api-1  | 2025-12-18T03:00:01.123Z ERROR app.orders request 7f3a failed
api-1  | Traceback (most recent call last):
api-1  |   File "/app/app/orders.py", line 41, in read
api-1  |     raise ValueError("price of order 4711 is missing")
api-1  | ValueError: price of order 4711 is missing
api-1  | INFO:     172.18.0.1:51234 - "GET /orders HTTP/1.1" 500 Internal Server Error
"""


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("2025-12-18 03:00:01,123 ERROR app.orders: no price", id="python-logging"),
        pytest.param("ERROR:    Exception in ASGI application", id="uvicorn"),
        pytest.param("[2025-12-18 03:00:01 +0000] [7] [ERROR] Worker timeout", id="gunicorn"),
        pytest.param("CRITICAL:root:out of memory", id="critical"),
        pytest.param("2025-12-18 03:00:01.123 UTC [77] FATAL:  password authentication failed", id="postgres"),
        pytest.param("sqlalchemy.exc.OperationalError: (psycopg.OperationalError) refused", id="exception-dotted"),
        pytest.param("KeyError: 'price'", id="exception"),
        pytest.param("app.errors.PriceMissingError", id="exception-without-words"),
        pytest.param("OSError: [Errno 28] No space left on device", id="oserror"),
        pytest.param('{"time": "2025-12-18T03:00:01Z", "level": "error", "msg": "no price"}', id="json"),
        pytest.param('{"severity":"CRITICAL","message":"no price"}', id="json-severity"),
        pytest.param('{"levelname": "ERROR", "message": "no price"}', id="json-python"),
        pytest.param("panic: runtime error", id="go-panic"),
        pytest.param("level=error msg=refused", id="logfmt"),
    ],
)
def test_errors_are_recognised(line: str) -> None:
    """Errors are recognised in the output of common frameworks."""
    assert errors_in(f"api-1  | {line}").total == 1


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("INFO:     Application startup complete.", id="info"),
        pytest.param('INFO: 172.18.0.1 - "GET /errors HTTP/1.1" 200 OK', id="a-path-called-errors"),
        pytest.param('{"level": "info", "msg": "0 errors"}', id="json-info"),
        pytest.param("WARNING retrying after an error", id="warning"),
        pytest.param("Traceback (most recent call last):", id="traceback-head"),
        pytest.param('  File "/app/error.py", line 41, in error', id="traceback-frame"),
        pytest.param("level=info msg=ready", id="logfmt-info"),
        pytest.param("", id="empty"),
    ],
)
def test_other_lines_are_not(line: str) -> None:
    """Lines that only mention errors are not counted."""
    assert errors_in(f"api-1  | {line}").counts == {}


def test_traceback_counts_once_for_the_log_and_once_for_the_exception() -> None:
    """Of a traceback, the logged line and the exception count, and the frames do not."""
    assert errors_in(TRACEBACK).counts == {
        "api: <time> ERROR app.orders request 7f3a failed".replace("7f3a", "<n>f<n>a"): 1,
        "api: ValueError: price of order <n> is missing": 1,
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("2025-12-18T03:00:01Z ERROR x", "2025-12-19 11:59:59,999 ERROR x", id="times"),
        pytest.param("ERROR order 1 of 10", "ERROR order 4711 of 22", id="numbers"),
        pytest.param(
            "ERROR id 0b9f6b1e-9c8a-4a52-8d5e-8a4c4d7b2f10",
            "ERROR id ffffffff-0000-4000-8000-aaaaaaaaaaaa",
            id="uuids",
        ),
        pytest.param("ERROR at 0x7f8f2c0d4e80", "ERROR at 0x7f0000000000", id="addresses"),
        pytest.param("ERROR trace 4bf92f3577b34da6", "ERROR trace a3ce929d0e0e4736", id="hex-ids"),
        pytest.param("ERROR from 172.18.0.5:51234", "ERROR from 10.0.0.1:80", id="peers"),
        pytest.param("  ERROR x  ", "ERROR x", id="blanks-around"),
    ],
)
def test_two_occurrences_of_one_error_are_one_signature(first: str, second: str) -> None:
    """Parts that vary between occurrences of an error are not in its signature."""
    assert signature_of("api", first) == signature_of("api", second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("ERROR no price", "ERROR no stock", id="messages"),
        pytest.param("KeyError: 'price'", "ValueError: 'price'", id="kinds"),
        pytest.param("ERROR deadbeef is dead", "ERROR facade is dead", id="words-of-hex-letters"),
    ],
)
def test_different_errors_stay_apart(first: str, second: str) -> None:
    """Errors with different messages have different signatures."""
    assert signature_of("api", first) != signature_of("api", second)


def test_replicas_of_a_service_count_together() -> None:
    """One error in two containers of a service is one signature; in another service it is another."""
    log = "api-1   | ERROR x\napi-2   | ERROR x\njobs-1  | ERROR x\nshop-api-12 | ERROR x\n"
    assert errors_in(log).counts == {"api: ERROR x": 2, "jobs: ERROR x": 1, "shop-api: ERROR x": 1}


def test_ignored_lines_do_not_count() -> None:
    """A line that matches an ignore pattern of the settings does not count."""
    log = "api-1  | ERROR client went away\napi-1  | ERROR no price\n"
    assert errors_in(log, (r"client \w+ away",)).counts == {"api: ERROR no price": 1}


def test_long_line_has_a_short_signature() -> None:
    """A signature has at most 200 characters, however long the line."""
    assert len(signature_of("api", "ERROR " + "word " * 10000)) <= 200


@pytest.mark.parametrize("secret", ["s3cr3t-w0rd-4711", "0123456789abcdef0123", "5d41402a-bc4b-4a76-b971-9d911017c592"])
@pytest.mark.parametrize("before", [0, 170, 185, 195])
def test_no_piece_of_a_secret_gets_into_a_signature(secret: str, before: int) -> None:
    """A secret in an error line is redacted whole, before its digits are replaced and the line is cut."""
    redactor = Redactor()
    redactor.learn("PASSWORD", secret)
    line = f"api-1  | ERROR {'x' * before} cannot log in with {secret}"
    signature = next(iter(errors_in(line, redact=redactor.text).counts))
    assert not any(piece in signature for piece in ("s<n>cr", "w<n>rd", secret[:6], "<id>"))


def test_new_errors_are_those_not_seen_before() -> None:
    """Only signatures not seen before the switch are new, most frequent first."""
    now = LogErrors({"api: old": 50, "api: rare": 1, "api: frequent": 7})
    assert now.new_against({"api: old": 1, "api: gone": 3}) == ["api: frequent", "api: rare"]
    assert now.new_against({}) == ["api: old", "api: frequent", "api: rare"]
    assert now.new_against(now.counts) == []
    assert now.total == 58


Given = Callable[..., Logs]
Look = Callable[..., LogErrors]
#: The services' logs: nothing within the window, and one line before it.
QUIET = {"api": "", "jobs": ""}
EVER = {"api": "ready\n", "jobs": "ready\n"}
REFUSED = "configured logging driver does not support reading"


@pytest.fixture
def logs(tmp_path: Path) -> Given:
    """Return a function that makes the logs of api and jobs; `instead` replaces the engine's answer for a service."""

    def of(service: str, driver: str, *, tty: bool) -> dict[str, Any]:
        labels = {"service": service, "project.working_dir": str(tmp_path), "project": "shop", "oneoff": "False"}
        return container(
            service,
            Name=f"/shop-{service}-1",
            Config={"Tty": tty},
            HostConfig={"LogConfig": {"Type": driver, "Config": {}}},
            labels={f"com.docker.compose.{name}": text for name, text in labels.items()},
        )

    def read(  # noqa: PLR0913 - the differences between tests
        api: str | bytes = "",
        jobs: str = "",
        *,
        ever: Mapping[str, str] = EVER,
        driver: str = "json-file",
        tty: bool = False,
        instead: Mapping[str, Any] = MappingProxyType({}),
    ) -> Logs:
        recent = {"api": api, "jobs": jobs}

        def answer(path: str) -> Any:
            found = re.fullmatch(r"/containers/(\w+)/logs\?(.*)", path)
            if found is None:
                return None
            if found[1] in instead:
                return instead[found[1]]
            text = (recent if "since=" in found[2] else ever)[found[1]]
            lines = text if isinstance(text, bytes) else "".join(text.splitlines(keepends=True)[-50_000:])
            return lines if isinstance(lines, bytes) else lines.encode() if tty else framed(lines)

        engine = FakeEngine([of("api", driver, tty=tty), of("jobs", "json-file", tty=tty)], instead=answer)
        site = production(tmp_path, Heard(), engine=engine)
        return Logs(site, LogSettings(), str)

    return read


def framed(text: str) -> bytes:
    """Return lines as the engine sends them, stdout and stderr mixed."""
    return b"".join(frame(line, 1 + number % 2) for number, line in enumerate(text.splitlines(keepends=True)))


@pytest.fixture
def observe(logs: Given) -> Look:
    """Return a function that reads the recent logs."""
    return lambda *arguments, **named: logs(*arguments, **named).recent()


def test_quiet_logs_show_no_errors(observe: Look) -> None:
    """Services without recent output have no errors."""
    assert observe().counts == {}


@pytest.mark.parametrize("tty", [False, True])
def test_errors_of_both_streams_count_by_service(observe: Look, tty: bool) -> None:  # noqa: FBT001 - a parameter
    """Every line of both streams counts, also one without a line end or with a terminal's line end."""
    found = observe("ready\nERROR no price of order 1\r\nERROR no price of order 2", "ERROR no price\n", tty=tty)
    assert found.counts == {"api: ERROR no price of order <n>": 2, "jobs: ERROR no price": 1}


def test_line_that_comes_in_pieces_is_one(observe: Look) -> None:
    """A line that the engine or the network cuts into pieces counts as one."""
    pieces = [frame("ERROR no "), frame("price\nrea"), frame("dy\n")]
    assert observe(b"".join(pieces)).counts == {"api: ERROR no price": 1}


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        pytest.param({"instead": {"api": (501, {"message": REFUSED})}}, "driver does not support reading", id="driver"),
        pytest.param({"jobs": "x\n", "instead": {"api": (500, {"message": REFUSED})}}, "not support", id="one-cannot"),
        pytest.param({"jobs": "ready\n", "driver": "none"}, "no logs exist for shop-api-1", id="none"),
        pytest.param({"api": frame("x\n") + frame("Error grabbing logs: bad\n", 3)}, "stream: Error grabb", id="torn"),
        pytest.param({"api": frame("ERROR x\n")[:-3]}, "cannot be read", id="broken-off"),
        pytest.param({"instead": {"jobs": OSError()}}, "logs of shop-jobs-1 cannot be read", id="no-answer"),
        pytest.param({"ever": QUIET}, "shop-api-1, shop-jobs-1 never wrote a line", id="nothing-ever"),
    ],
)
def test_logs_that_cannot_be_read_are_no_good_news(observe: Look, answers: dict[str, Any], why: str) -> None:
    """If the logs of even one container cannot be read, the result is inconclusive."""
    with pytest.raises(Inconclusive, match=why):
        observe(**answers)


def test_logs_of_endless_lines_are_not_held(observe: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """The total size that is read has a limit, whatever the length of lines."""
    monkeypatch.setattr("runbook.production.logs.reader._MOST_BYTES", 1000)
    with pytest.raises(Inconclusive, match="the logs are too long"):
        observe("x" * 600, "x" * 600)


def test_memory_stays_flat_whatever_is_written(observe: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is counted as it arrives: 40 MB, in lines or in one line, take less than 8 MB of memory."""
    monkeypatch.setattr("runbook.production.logs.reader.ErrorCounter.feed", lambda *_: None)
    text = frame("x" * 999 + "\n") * 20_000 + frame("y" * 1000) * 20_000
    tracemalloc.start()
    try:
        observe(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000


def test_logs_that_are_read_in_part_say_so(observe: Look) -> None:
    """Of too many lines only the newest are read, and the containers are named."""
    assert observe("x\n" * 50000, "x\n").cut == ("shop-api-1",)


@pytest.mark.parametrize("before", [None, {"api: ERROR known": 1}])
def test_logs_that_are_read_in_part_are_no_good_news(logs: Given, before: dict[str, int] | None) -> None:
    """Logs read in part are inconclusive without a new error, and fail with one."""
    expected = logs("x\n" * 50000).check_no_new_errors(before)
    with pytest.raises(
        Inconclusive,
        match=r"newest 50000 lines of the last .* of shop-api-1 were read → read the rest: docker compose .* logs",
    ):
        expected.observe()
    seen = logs("x\n" * 50000 + "ERROR new\n").check_no_new_errors(before).observe()
    assert not seen.ok
    assert "api: ERROR new" in seen.seen
