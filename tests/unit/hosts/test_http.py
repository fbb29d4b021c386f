"""HTTP requests: a deadline for each, no proxy, and a record of every exchange."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from runbook.errors import Inconclusive, NoAnswer, Why
from runbook.hosts.http import LARGEST_BODY, HttpResponse, no_answer_reason
from runbook.production.service.health_answers import not_ready
from runbook.text import beginning
from tests.support.parts import Heard, Reply, asking, serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def answer(body: str) -> HttpResponse:
    return HttpResponse("http://x/readyz", 200, {}, body, 0.1)


@contextmanager
def saying(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server for one connection that reads the request and calls `say`; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with server.accept()[0] as connection:
                connection.settimeout(20)
                try:
                    connection.recv(65536)
                    say(connection)
                except OSError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def drip(data: bytes) -> Callable[[socket.socket], None]:
    """Return a handler that sends `data` byte by byte for 1.5 s, each byte before a read times out."""

    def say(connection: socket.socket) -> None:
        for byte in data[:30]:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return say


def hold(connection: socket.socket) -> None:
    """Take the request and send nothing until the client leaves."""
    connection.recv(65536)


def after_head(say: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        say(connection)

    return talk


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(hold, id="says-nothing"),
        pytest.param(after_head(hold), id="stops-after-its-headers"),
        pytest.param(after_head(drip(b"x" * 100)), id="drips-its-body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 80), id="drips-its-headers"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 4), id="drips-promises"),
    ],
)
def test_server_that_never_comes_to_an_end_is_left_at_the_deadline(say: Callable[[socket.socket], None]) -> None:
    """However slowly a server answers, the exchange ends at its deadline without an answer."""
    heard = Heard()
    with saying(say) as url, asking(0.5, heard) as http:
        began = time.monotonic()
        with pytest.raises(Inconclusive, match="gave no answer"):
            http.get(url)
        took = time.monotonic() - began
    assert took < 1.2
    assert [exchange[1] for exchange in heard.exchanges] == [url]


@pytest.mark.parametrize(
    ("say", "silent"),
    [
        pytest.param(hold, True, id="says-nothing"),
        pytest.param(after_head(hold), False, id="stops-after-its-headers"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 80), False, id="drips-its-headers"),
    ],
)
def test_little_patience_tells_who_is_silent(say: Callable[[socket.socket], None], *, silent: bool) -> None:
    """With `patience`, a server that sends nothing is silent; one that has begun to answer is not."""
    with saying(say) as url, asking(1.0) as http:
        began = time.monotonic()
        with pytest.raises(NoAnswer) as told:
            http.get(url, patience=0.2)
        took = time.monotonic() - began
    assert (told.value.why is Why.SILENT) is silent
    assert took < (0.6 if silent else 1.5)


def test_little_patience_is_for_the_answer_alone() -> None:
    """A connection that is never accepted is unreachable, not silent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        place = server.getsockname()
        full = [socket.socket() for _ in range(3)]
        for each in full:
            each.settimeout(0)
            each.connect_ex(place)
        with asking(0.5) as http, pytest.raises(NoAnswer) as told:
            http.get(f"http://127.0.0.1:{place[1]}/", patience=0.1)
        for each in full:
            each.close()
    assert told.value.why is Why.UNREACHABLE


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda _connection: None, id="hangs-up"),
        pytest.param(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another-protocol"),
        pytest.param(lambda connection: connection.sendall(HEAD + b"short"), id="body-cut"),
        pytest.param(lambda connection: connection.sendall(b"\x00" * 1000), id="zeros"),
        pytest.param(
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip"),
            id="body-not-as-it-says",
        ),
    ],
)
def test_what_is_no_http_is_no_answer(say: Callable[[socket.socket], None]) -> None:
    """An answer that is not complete HTTP is no answer."""
    with saying(say) as url, asking(2) as http, pytest.raises(Inconclusive, match="gave no answer"):
        http.get(url)


def test_nobody_listening_is_no_answer() -> None:
    """If nothing listens, the error has the address, and the request is recorded."""
    heard = Heard()
    with asking(heard=heard) as http, pytest.raises(Inconclusive, match=r"http://127\.0\.0\.1:1/healthz gave no"):
        http.get("http://127.0.0.1:1/healthz")
    assert len(heard.exchanges) == 1


@pytest.mark.parametrize("url", ["http://", "nonsense", "http://[::1", "http://x:99999/", "ftp://x/"])
def test_address_that_cannot_be_asked_is_no_answer(url: str) -> None:
    """An invalid URL is reported like an address without an answer."""
    with asking(1) as http, pytest.raises(Inconclusive):
        http.get(url)


def test_answer_is_given_and_put_on_record() -> None:
    """Status, headers and body are returned and recorded."""
    heard = Heard()
    reply = Reply(503, {"database": False}, {"X-Release": "v1"})
    with serving(lambda _asked: reply) as server, asking(heard=heard) as http:
        found = http.get(f"{server.url}/readyz", {"Authorization": "Bearer x"})
    assert (found.status, found.headers["x-release"], found.json()) == (503, "v1", {"database": False})
    assert server.asked[0].headers["authorization"] == "Bearer x"
    assert heard.exchanges == [("GET", f"{server.url}/readyz", None, found)]


def test_secret_answer_stays_off_the_record() -> None:
    """The body of a secret answer is returned and not recorded."""
    heard = Heard()
    with serving(lambda _asked: Reply(200, b"canary-4711")) as server, asking(heard=heard) as http:
        found = http.send("GET", server.url, secret_answer=True)
    assert found.body == "canary-4711"
    assert "canary" not in str(heard.exchanges)


def test_body_is_sent_as_json() -> None:
    """A request's body is sent as JSON and recorded."""
    heard = Heard()
    with serving(lambda _asked: Reply(201)) as server, asking(heard=heard) as http:
        http.send("POST", f"{server.url}/issues", {}, {"title": "ä"})
    assert server.asked[0].body.decode() in ('{"title":"ä"}', '{"title": "\\u00e4"}')
    assert server.asked[0].headers["content-type"] == "application/json"
    assert heard.exchanges[0][2] == {"title": "ä"}


def test_endless_body_is_read_up_to_the_limit() -> None:
    """Only the beginning of a body that is too long is read."""
    with serving(lambda _asked: Reply(200, b"x" * (3 * LARGEST_BODY))) as server, asking() as http:
        assert len(http.get(server.url).body) == LARGEST_BODY


def test_body_that_is_not_utf8_is_shown_as_far_as_it_is() -> None:
    """Bytes that are not UTF-8 do not stop a request."""
    with serving(lambda _asked: Reply(200, b"caf\xe9")) as server, asking() as http:
        assert http.get(server.url).body == "caf\N{REPLACEMENT CHARACTER}"


def test_redirect_is_an_answer() -> None:
    """A redirect counts as the answer and is not followed."""
    with serving(lambda _asked: Reply(302, headers={"Location": "/elsewhere"})) as server, asking() as http:
        assert http.get(server.url).status == 302
    assert len(server.asked) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A proxy exported in the environment gets no request."""
    with serving(lambda _asked: Reply(502)) as proxy, serving(lambda _asked: Reply(200)) as server:
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with asking() as http:
            assert http.get(server.url).status == 200
    assert proxy.asked == []


@pytest.mark.parametrize("body", ["", "<html>", "{", "NaN,", "[" * 200000, "9" * 5000], ids=lambda body: repr(body[:6]))
def test_body_that_is_not_json_is_not_known(body: str) -> None:
    """A body that is not the expected JSON is inconclusive, and the message shows its beginning."""
    with pytest.raises(Inconclusive, match=r"http://x/readyz answered 200 with .* expected JSON"):
        answer(body).json()


@pytest.mark.parametrize(
    ("body", "objection"),
    [
        pytest.param('{"database": true, "jobs": true, "revision": "c3"}', None, id="all-true"),
        pytest.param('{"database": true, "jobs": false}', "jobs", id="one-false"),
        pytest.param('{"database": true, "jobs": true, "cache": false}', "cache", id="another-false"),
        pytest.param('{"jobs": false, "database": false}', "jobs, database", id="two-false"),
        pytest.param('{"jobs": true}', "database (is None)", id="one-missing"),
        pytest.param('{"jobs": true, "database": null}', "database (is None)", id="one-null"),
        pytest.param('{"jobs": true, "database": "yes"}', "database (is 'yes')", id="one-a-word"),
        pytest.param("{}", "database (is None)", id="empty"),
        pytest.param('["ok"]', "expected a JSON object", id="a-list"),
        pytest.param('"ok"', "expected a JSON object", id="a-word"),
    ],
)
def test_readiness_that_does_not_say_yes_is_not_ready(body: str, objection: str | None) -> None:
    """A readiness answer of 200 counts only if each required part is true and no part is false."""
    said = not_ready(answer(body), ("database", "jobs"))
    assert (said is None) if objection is None else (objection in str(said))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("short  text\n", "short text", id="short"),
        pytest.param("exactly it", "exactly it", id="exact"),
        pytest.param("one two three", "one two …", id="cut-between-words"),
        pytest.param("tenletters next", "tenletters …", id="cut-behind-a-word"),
        pytest.param("one canary-4711", "one …", id="no-half-word"),
        pytest.param("canary-4711-canary-4711", " …", id="no-part-of-one-long-word"),
    ],
)
def test_text_is_cut_between_words_only(text: str, shown: str) -> None:
    """Shown text is cut between words, so that no half of a secret is left."""
    assert beginning(text, 10) == shown


@pytest.mark.parametrize(
    ("error", "why"),
    [
        pytest.param(httpx.ConnectTimeout("timed out"), Why.UNREACHABLE, id="no-connection"),
        pytest.param(httpx.ConnectError("[Errno 113] No route to host"), Why.UNREACHABLE, id="no-route"),
        pytest.param(httpx.ReadTimeout("timed out"), Why.SILENT, id="hangs"),
        pytest.param(httpx.TimeoutException("not complete"), Why.OTHER, id="half-an-answer"),
        pytest.param(httpx.RemoteProtocolError("illegal status line"), Why.NOT_HTTP, id="another-protocol"),
        pytest.param(httpx.ReadError("[Errno 104] Connection reset by peer"), Why.NOT_HTTP, id="hangs-up"),
    ],
)
def test_why_there_was_no_answer(error: Exception, why: Why) -> None:
    """Each kind of failed request has its reason, which decides the setting to change."""
    assert no_answer_reason(error) is why


@pytest.mark.parametrize("end", ["\n", "\x01x", "é", "\r\nX: y"], ids=ascii)
def test_header_that_cannot_be_sent_is_told_without_its_value(end: str) -> None:
    """An unsendable header is reported without its value: escaped by a library, the secret would not be recognised."""
    heard = Heard()
    told = pytest.raises(Inconclusive, match="the header Authorization contains a line break or a")
    with serving(lambda _asked: Reply()) as server, asking(heard=heard) as http, told as caught:
        http.get(server.url, {"Authorization": f"Bearer canary-4711{end}"})
    assert "canary" not in f"{caught.value}{heard.exchanges}"
    assert server.asked == []
