"""Error lines in logs: the forms of languages, frameworks and servers, and lines that are no errors."""

import time

import pytest

from runbook.production.logs.lines import LinesOfOne, is_error
from tests.support.log_lines import errors_in

# Each line is an error.
ERRORS = r"""
2025-12-18 03:00:01,123 ERROR app.orders: no price
2025-12-18 10:00:00.0 ERROR app.orders: no price
ERROR:    Exception in ASGI application
[2025-12-18 03:00:01 +0000] [7] [ERROR] Worker timeout
[2025-12-18 10:00:00,123: ERROR/MainProcess] Task app.send raised unexpected: Oops('x')
2025-12-18 10:00:00-ERROR-app-no price
CRITICAL:root:out of memory
CRITICAL - out of memory
2025-12-18 10:00:00.123 | ERROR    | app:read:41 - boom
2025-12-18 10:00:00 | error | boom
2025-12-18 10:00:00 - app - error - boom
2025-12-18 10:00:00 [error    ] boom    [app] order=4711
error: listen EADDRINUSE 0.0.0.0:8000
fatal: not a git repository
10:00AM ERR boom error="no price"
[10:00:00 ERR] Unhandled request
[10:00:00 FTL] Host terminated
ERRO[0012] boom
FATA[0000] cannot listen
E1128 10:00:00.123456       1 reflector.go:138] failed to list
F1128 10:00:00.123456       1 main.go:7] no certificate
[2025-12-18T10:00:00Z ERROR app::orders] no price
2025-12-18T10:00:00.123456Z ERROR app::orders: no price order=4711
thread 'main' panicked at src/main.rs:7:5:
thread '<unnamed>' panicked at 'boom', src/main.rs:7:5
panic: runtime error: index out of range [3] with length 3
2025/12/18 10:00:00 http: panic serving 172.18.0.1:51234: boom
fatal error: all goroutines are asleep - deadlock!
PHP Fatal error:  Uncaught Error: Call to undefined function f() in /app/x.php:3
PHP Parse error:  syntax error, unexpected '}' in /app/x.php on line 3
NOTICE: PHP message: PHP Fatal error:  Allowed memory size exhausted
[2025-12-18 10:00:00] production.ERROR: no price {"order":4711} []
[18-Dec-2025 10:00:00] ERROR: unable to bind listening socket
2025/12/18 10:00:00 [error] 7#7: *1 open() "/usr/share/x" failed (2: No such file or directory)
2025/12/18 10:00:00 [crit] 7#7: *1 connect() to unix:/x.sock failed
2025/12/18 10:00:00 [emerg] 7#7: bind() to 0.0.0.0:80 failed
[Thu Dec 18 10:00:00.123456 2025] [core:error] [pid 7] AH00037: Symbolic link not allowed
[ALERT]    (1) : config : no listener
Dec 18, 2025 10:00:00 AM org.acme.Orders read
SEVERE: no price
2025-12-18 10:00:00.123 ERROR 7 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/] : Servlet.service() threw
Exception in thread "main" java.lang.IllegalStateException: boom
java.lang.NullPointerException
com.acme.PriceMissingException: order 4711
(node:7) UnhandledPromiseRejectionWarning: Error: boom
[UnhandledPromiseRejection: This error originated in an async function
TypeError: Cannot read properties of undefined (reading 'price')
TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument must be of type string
Uncaught ReferenceError: price is not defined
Unhandled exception. System.InvalidOperationException: boom
fail: Microsoft.AspNetCore.Server.Kestrel[13]
crit: Microsoft.AspNetCore.Hosting.Diagnostics[6]
npm error code ELIFECYCLE
npm ERR! code ELIFECYCLE
E, [2025-12-18T10:00:00.123456 #7] ERROR -- : no price
app/orders.rb:41:in 'read': no price (RuntimeError)
** (RuntimeError) no price
10:00:00.123 [error] GenServer MyApp.Orders terminating
2025-12-18 03:00:01.123 UTC [77] FATAL:  password authentication failed for user "shop"
2025-12-18 03:00:01.123 UTC [77] ERROR:  null value in column "price" violates not-null constraint
ERROR: 0 rows were updated
1:M 18 Dec 2025 10:00:00.123 # Fatal error, can't open config file '/x.conf'
2025-12-18T10:00:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting
<3>app: no price
<11>1 2025-12-18T10:00:00Z shop app 7 - - no price
Segmentation fault (core dumped)
terminate called after throwing an instance of 'std::runtime_error'
Fatal Python error: Segmentation fault
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) refused
level=error msg=refused
time=2025-12-18T10:00:00Z level=ERROR msg="no price"
t=2025-12-18T10:00:00+0000 lvl=eror msg="no price"
time="2025-12-18T10:00:00Z" level=fatal msg=boom
ts=1734516000 severity="critical" caller=main.go:7
at=error code=H12 desc="Request timeout" method=GET path="/"
ts=2025-12-18 caller=main.go:7 err="connection refused"
{"time": "2025-12-18T03:00:01Z", "level": "error", "msg": "no price"}
{"level":50,"time":1734516000000,"pid":7,"hostname":"shop","msg":"no price"}
{"level":60,"time":1734516000000,"msg":"no price"}
{"name":"shop","hostname":"x","pid":7,"level":50,"msg":"no price","time":"2025-12-18T10:00:00Z","v":0}
{"levelno": 40, "levelname": "ERROR", "message": "no price"}
{"levelno":40,"message":"no price"}
{"event":"no price","level":40}
{"event":"no price","level":"50"}
{"level":"ERR","msg":"no price"}
{"level":"ERROR+2","msg":"no price"}
{"level":"\u001b[31merror\u001b[39m","message":"no price"}
{"@timestamp":"2025-12-18T10:00:00Z","log.level":"ERROR","message":"no price"}
{"@timestamp":"2025-12-18T10:00:00Z","log":{"level":"error"},"message":"no price"}
{"@t":"2025-12-18T10:00:00Z","@mt":"no price","@l":"Error"}
{"severity":"CRITICAL","message":"no price"}
{"SeverityText":"ERROR","SeverityNumber":17,"Body":"no price"}
{"severity_number":21,"body":"no price"}
{"message":"no price","level":400,"level_name":"ERROR","channel":"app"}
{"level_value":40000,"message":"no price"}
{"version":"1.1","host":"shop","short_message":"no price","level":3}
{"t":{"$date":"2025-12-18T10:00:00Z"},"s":"E","c":"NETWORK","id":1,"msg":"no price"}
{"msg":"no price","error":"connection refused"}
{"status":"error","message":"no price"}
{"msg":"ERROR no price"}
2025-12-18T10:00:00Z {"level":"error","msg":"no price"}
2025-12-18T10:00:00Z stderr F {"level":"error","msg":"no price"}
{"level":"error","msg":"cut off by the log driver
2025-12-18 10:00:00 ERROR cannot set level=info
2025-12-18 10:00:00 ERROR request failed {"level":"info"}
"""

# No line is an error.
OTHERS = r"""
INFO:     Application startup complete.
INFO: 172.18.0.1 - "GET /errors HTTP/1.1" 200 OK
INFO: 172.18.0.1 - "GET /ERROR/7?kind=FATAL HTTP/1.1" 200 OK
172.18.0.1 - - [18/Dec/2025:10:00:00 +0000] "GET /error HTTP/1.1" 200 12 "https://x.example/ERROR" "curl/8"
2025-12-18 10:00:00 INFO app: 0 errors, 2 warnings
2025-12-18 10:00:00 INFO app: no errors found
2025-12-18 10:00:00 INFO app: 0 ERROR found
2025-12-18 10:00:00 INFO app: retrying after an error
2025-12-18 10:00:00 INFO app: error handler installed
2025-12-18 10:00:00 INFO app: log level set to ERROR
2025-12-18 10:00:00 INFO app - pass: 10 - fail: 0 - error: 0
LOG_LEVEL=ERROR
Log level: ERROR
WARNING retrying after an error
WARNING:root:retrying, error=timeout
warn: retrying
[warn] retrying
2025/12/18 10:00:00 [notice] 1#1: start worker process 7
2025/12/18 10:00:00 [warn] 7#7: *1 an upstream response is buffered
(node:7) Warning: Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' is insecure
error_count=0 requests=17
requests=17 errors=0
requests=17 errors=[] fatal=0
requests=17 error=null
requests=17 err=nil
requests=17 error=""
errors: 0
error: none
"error": null,
Errors: []
level=info msg=ready
level=info msg="ERROR pages are enabled"
ts=2025-12-18 level=warn err="connection refused"
at=info method=GET path="/error" status=200
{"level": "info", "msg": "0 errors"}
{"level":"info","msg":"ERROR pages are enabled"}
{"level":"warn","error":"connection refused","msg":"retrying"}
{"level":30,"time":1734516000000,"msg":"ready","err":null}
{"level":40,"time":1734516000000,"pid":7,"hostname":"shop","msg":"slow"}
{"name":"shop","hostname":"x","pid":7,"level":40,"msg":"slow","time":"2025-12-18T10:00:00Z","v":0}
{"levelno":30,"message":"slow"}
{"level":300,"level_name":"WARNING","message":"slow"}
{"level_value":20000,"message":"ready"}
{"version":"1.1","host":"shop","short_message":"ready","level":6}
{"SeverityText":"INFO","SeverityNumber":9,"Body":"ready"}
{"t":{"$date":"2025-12-18T10:00:00Z"},"s":"I","c":"NETWORK","id":1,"msg":"ready"}
{"log":{"level":"info"},"message":"ready","error":{"code":7}}
{"msg":"ready","error":null,"errors":[]}
{"msg":"ready","error":"","exception":false}
{"msg":"order of a customer","customer":{"level":"gold"}}
{"path":"/error/7","status":200}
2025-12-18T10:00:00Z {"level":"info","msg":"ready"}
2025-12-18T10:00:00Z	INFO	app/main.go:7	retrying	{"error": "connection refused"}
{"level":"info","msg":"cut off by the log driver
I1128 10:00:00.123456       1 main.go:7] ready
W1128 10:00:00.123456       1 main.go:7] slow
INFO[0000] ready
[2025-12-18T10:00:00Z INFO  app::orders] no error
<6>app: ready
<14>1 2025-12-18T10:00:00Z shop app 7 - - ready
2025-12-18 03:00:01.123 UTC [1] LOG:  database system is ready to accept connections
Traceback (most recent call last):
  File "/app/error.py", line 41, in error
    raise ValueError("price is missing")
goroutine 1 [running]:
	at com.acme.Orders.read(Orders.java:41)
pip install app[error]
a non-fatal error was passed over
INFO  [alembic.runtime.migration] Running upgrade 3f2a -> 7c1d, errors get a table
ErrorBoundary mounted
{}
{"level"
[31m
"""


def lines_of(table: str) -> list[str]:
    return table.strip("\n").split("\n")


@pytest.mark.parametrize("line", [line for line in lines_of(ERRORS) if not line.startswith("Dec 18, 2025")])
def test_error_is_recognised(line: str) -> None:
    """Each error form is recognised and counted once."""
    assert is_error(line)
    assert errors_in(f"api-1  | {line}").total == 1


@pytest.mark.parametrize("line", lines_of(OTHERS))
def test_other_line_is_none(line: str) -> None:
    """A line that reports no error is not counted, whatever words it has."""
    assert not is_error(line)
    assert errors_in(f"api-1  | {line}").counts == {}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("\x1b[31mERROR\x1b[0m:    Exception in ASGI application", id="uvicorn"),
        pytest.param("\x1b[32m2025-12-18 10:00:00.123\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | boom", id="loguru"),
        pytest.param("\x1b[1;35mKeyError\x1b[0m: \x1b[35m'EUR'\x1b[0m", id="python-3.13"),
        pytest.param("[\x1b[31m\x1b[1mERROR\x1b[0m] worker died", id="in-brackets"),
        pytest.param("\x1b[38;5;196mERROR\x1b[m x", id="256-colours"),
        pytest.param("\x1b[38:2::255:0:0mERROR\x1b[m x", id="true-colour-with-colons"),
        pytest.param("\x1b]8;;https://x.example/\x07ERROR\x1b]8;;\x07 x", id="link"),
        pytest.param("\x1b]8;;https://x.example/\x1b\\ERROR\x1b]8;;\x1b\\ x", id="link-ended-otherwise"),
        pytest.param("\x1b]0;title\x07ERROR x", id="title"),
        pytest.param("\x1b]0;title without an end ERROR x", id="title-without-an-end"),
        pytest.param("\x9b31mERROR\x9b0m x", id="one-character"),
        pytest.param("\x1b(BERROR x\x1b[K", id="character-set"),
        pytest.param("10:00AM \x1b[1m\x1b[31mERR\x1b[0m\x1b[0m boom", id="zerolog"),
        pytest.param(r"\u001b[31mERROR\u001b[0m x", id="as-json-has-it"),
        pytest.param("#033[31mERROR#033[0m x", id="as-rsyslog-has-it"),
        pytest.param("[31mERROR[0m x", id="escape-character-taken-out"),
        pytest.param("\ufffd[31mERROR\ufffd[0m x", id="escape-character-replaced"),
        pytest.param("2025-12-18 [\x1b[31m\x1b[1merror    \x1b[0m] \x1b[1mboom\x1b[0m", id="structlog"),
        pytest.param("50%\rERROR x", id="over-a-progress-bar"),
        pytest.param("ERROR x\r", id="of-a-terminal"),
    ],
)
def test_colours_hide_no_error(line: str) -> None:
    """Escape codes do not hide an error, and its signature has none."""
    found = errors_in(f"api-1  | {line}")
    assert found.total == 1
    assert "\x1b" not in str(found.counts)
    assert "31m" not in str(found.counts)


def errors_of(*lines: str) -> list[str]:
    container = LinesOfOne()
    return [error for line in lines for error in container.errors_in(line)]


HEAD, FRAME = "Traceback (most recent call last):", '  File "/app/x.py", line 4, in <module>'


@pytest.mark.parametrize(
    "last",
    [
        "pkg.Oops: no price",
        "pkg.Oops",
        "KeyboardInterrupt",
        "SystemExit: 3",
        "StopIteration",
        "app.orders.read.<locals>.NoPrice: 4711",
        "requests.exceptions.Timeout: 5 s",
        "__main__.Oops: ",
        "\x1b[1;35mapp.Oops\x1b[0m: \x1b[35mno price\x1b[0m",
    ],
)
def test_last_line_of_a_traceback_counts_whatever_its_class_is_called(last: str) -> None:
    """A traceback counts once, by its exception, whatever its class name; frames and later lines do not count."""
    code = ("    read(4711)", "    ~~~~^^^^^^", "  [Previous line repeated 996 more times]")
    assert len(errors_of(HEAD, FRAME, *code, last, "Oops: x", "ready")) == 1
    assert len(errors_of(f"  {HEAD}", f"  {FRAME}", f"  {last}")) == 1


def test_line_between_is_not_taken_for_the_exception() -> None:
    """A line of another thread does not end a traceback."""
    assert errors_of(HEAD, FRAME, "INFO: served", "WARNING: slow", "pkg.Oops: x") == ["pkg.Oops: x"]


def test_chained_exceptions_count_each() -> None:
    """Each exception of chained tracebacks counts."""
    during = "During handling of the above exception, another exception occurred:"
    lines = errors_of(HEAD, FRAME, "a.First: 1", "", during, "", HEAD, FRAME, "b.Second: 2")
    assert lines == ["a.First: 1", "b.Second: 2"]


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/x.py", line 4, in <module>
  |     raise ExceptionGroup("many", [ValueError("a"), Oops("b"), inner])
  | ExceptionGroup: many (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/x.py", line 2, in f
    |     raise Oops("b")
    | pkg.Oops: b
    +---------------- 3 ----------------
    | pkg.Several: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Inner: c
      +------------------------------------
INFO: served
"""


def test_exceptions_of_a_group_count_each() -> None:
    """An exception group counts, and so does each exception in it, with or without frames."""
    expected = [
        "ExceptionGroup: many (3 sub-exceptions)", "ValueError: a", "pkg.Oops: b",
        "pkg.Several: inner (1 sub-exception)", "Inner: c",
    ]  # fmt: skip
    assert errors_of(*GROUP.splitlines()) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("com.acme.NoPrice: 4711", "\tat com.acme.Orders.read(Orders.java:41)", "\tat x.Y.z(Y.java)"), 1),
        (("Oops: no price", "    at read (/app/orders.js:41:7)", "    at node:internal/main:23:47"), 1),
        (("fail: Acme.Orders[0]", "      System.Oops: boom", "         at Acme.Orders.Read() in /x.cs:line 4"), 2),
        (
            ("com.acme.SomeException: x", "\tat a.B.c(B.java:1)", "Caused by: com.acme.Other: y", "\tat a.B.c(B.java)"),
            1,
        ),
        (('"main" #1 prio=5', "   java.lang.Thread.State: RUNNABLE", "\tat a.B.c(B.java:1)"), 0),
        (("(node:7) Warning: slow", "    at read (/app/orders.js:41:7)"), 0),
        (("WARN retrying", "\tat a.B.c(B.java:1)"), 0),
        (("\tat a.B.c(B.java:1)",), 0),
    ],
)
def test_what_stack_frames_follow_was_thrown(lines: tuple[str, ...], expected: int) -> None:
    """An exception before stack frames counts once, whatever its class; warnings and thread dumps do not."""
    assert len(errors_of(*lines)) == expected


def test_containers_do_not_end_the_tracebacks_of_others() -> None:
    """Interleaved lines of several containers are read separately per container."""
    log = f"api-1 | {HEAD}\napi-2 | {HEAD}\napi-1 | {FRAME}\njobs-1 | Oops: x\napi-2 | b.B: 2\napi-1 | a.A: 1\n"
    assert errors_in(log).counts == {"api: b.B: <n>": 1, "api: a.A: <n>": 1}


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "a.",
        "1T1",
        "error ",
        "\x1b]",
        "log level ",
        "error=",
        " /",
        "{",
        '{"level":',
        "a" * 50,
        "Traceback ",
        "| + ",
        "[1;",
    ],
)
def test_hostile_line_is_judged_quickly(piece: str) -> None:
    """A hostile line of 100,000 characters is judged in less than 0.1 s of CPU time."""
    line = piece * (100_000 // len(piece))
    began = time.process_time()
    errors_of(line, line)
    assert time.process_time() - began < 0.2
