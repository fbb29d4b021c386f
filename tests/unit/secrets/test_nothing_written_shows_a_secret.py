"""A secret is in nothing that is written, whatever its value, its encoding, and the cuts in the output.

The journal, the files beside it, the terminal and the page are made by the code that makes them in a run.
"""

import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.compat import Redacting
from harness.terminal.live import LiveView
from harness.terminal.live_state import LiveState
from harness.terminal.screen import Style
from runbook.hosts.command import Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.hosts.process import ManagedProcess
from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import Journal
from runbook.report.page.render import body
from runbook.secrets.invisible import HIDDEN
from runbook.secrets.redactor import Redactor
from runbook.text import COLOUR, visible
from tests.support.campaigns import examples
from tests.unit.secrets.test_redactor import ENCODINGS, LABEL, hidden_in_base64

#: The lengths at which a command's output and an HTTP answer are cut.
BORDERS = (64 * 1024, 4096)
FRAME = ("seq", "time", "kind", "previous", "sha256")


@dataclass(frozen=True)
class Output:
    """A program's output: a secret in some form, within other text, in pieces."""

    secret: str
    written: str
    before: str
    after: str
    dots: tuple[int, int]
    cuts: tuple[float, ...]
    is_base64: bool

    def __str__(self) -> str:
        return self.around(self.written)

    def around(self, text: str) -> str:
        """Return the output with `text` instead of the secret."""
        return f"{'.' * self.dots[0]}{self.before}{text}{self.after}{'.' * self.dots[1]}"

    @property
    def pieces(self) -> list[str]:
        """The text, in the pieces in which it arrives."""
        return _cut(str(self), self.cuts)

    @property
    def chunks(self) -> list[bytes]:
        """The bytes, in the pieces in which they arrive; a cut may be within a character."""
        whole = str(self).encode()
        at = [0, *sorted(int(cut * len(whole)) for cut in self.cuts), len(whole)]
        return [whole[start:end] for start, end in pairwise(at)]

    @property
    def halves(self) -> list[str]:
        """Both halves of a secret at a border, because a wrong cut would leave one of them."""
        middle = len(self.secret) // 2
        at_border = any(self.dots) and self.written == self.secret and middle >= 6
        return [self.secret[:middle], self.secret[middle:]] if at_border else []

    def is_shown_by(self, text: str) -> bool:
        """Return whether `text` shows the secret, as it is or in its written form."""
        for seen in {text, visible(text), _seen(text)}:
            if any(half in seen for half in self.halves):
                return True
            if self.secret in seen or _seen(self.secret) in seen or _seen(self.written) in seen:
                return True
            if self.is_base64 and hidden_in_base64(re.sub(r"\s", "", seen), self.secret.encode()):
                return True
        return False


def _cut(text: str, cuts: tuple[float, ...]) -> list[str]:
    at = [0, *sorted(int(cut * len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(at)]


def _seen(text: str) -> str:
    """Return `text` without invisible characters and colors."""
    return HIDDEN.sub("", COLOUR.sub("", text))


# Any characters except surrogates: quotes, backslashes, white space, controls, colors, every script.
SECRETS = (
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=24),
        st.text(st.sampled_from("ab1 \"'\\/+%&<>\n\t-_=.:@[m\x1b\u200b\u00adäß漢😀"), min_size=6, max_size=24),
        st.lists(st.sampled_from(["ab", "\x1b[31m", "\x1b[m", "\r\n", "cd ", "é", "x"]), min_size=4, max_size=12).map(
            "".join
        ),
        st.text(st.sampled_from("abcXYZ019_-./+="), min_size=6, max_size=64),
    )
    .map(str.strip)
    .filter(lambda text: len(" ".join(text.split())) >= 6 and len(" ".join(_seen(text).split())) >= 6)
)
NEAR = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        '{"message": "',
        "\x1b[01;31m\x1b[K",
        "password=",
        "Authorization: Basic ",
        "https://user:",
        '"',
        "\\",
        "%",
        "&",
        "=",
    ]
)


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    """Draw an output. Some are as long as the limit, with the secret at the border."""
    secret, form = draw(SECRETS), draw(st.sampled_from(sorted(ENCODINGS)))
    written = ENCODINGS[form](secret)
    how = draw(st.sampled_from(["as it is", "as it is", "coloured", "with what nobody sees", "wrapped"]))
    if COLOUR.search(secret):
        how = "as it is"  # in a secret with colors, added ones could not be told apart
    if how == "wrapped" and form.startswith("base64") and not form.startswith("base64-in-"):
        width, end = draw(st.sampled_from([16, 20, 64, 76])), draw(st.sampled_from(["\n", "\r\n", "\napi-1  | "]))
        written = end.join(written[at : at + width] for at in range(0, len(written), width))
    elif how in ("coloured", "with what nobody sees"):
        inside = ["\x1b[31m", "\x1b[0;1m", "\x1b[m"] if how == "coloured" else ["\x00", "\u200b", "\u00ad", "\u2060"]
        cuts = tuple(draw(st.lists(st.floats(0, 1), min_size=1, max_size=4)))
        written = "".join(piece + draw(st.sampled_from(inside)) for piece in _cut(written, cuts))
    before, after, dots = draw(NEAR), draw(NEAR), (0, 0)
    if draw(st.integers(0, 11)) == 0:
        if draw(st.booleans()):
            written = secret
        # The end of a command's output is kept, and the beginning of an HTTP answer.
        border, off = draw(st.sampled_from((*BORDERS, BORDERS[1]))), draw(st.integers(-8, len(written) + 8))
        dots = (
            (0, max(0, border - len(after) - off)) if border == BORDERS[0] else (max(0, border - len(before) - off), 0)
        )
    cuts = tuple(draw(st.lists(st.floats(0, 1), max_size=4)))
    found = Output(secret, written, before, after, dots, cuts, form.startswith("base64"))
    # Text that the surroundings have without the secret is no leak.
    assume(not found.is_shown_by(found.around(LABEL)))
    return found


class Written:
    """An incident, and everything that is written while it records an output."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.jsonl", Redactor())
        self.incident = Executor("shop", Mode.EXECUTE, self.journal)
        self._folder = folder
        self._read = 0
        self._chunks: list[bytes] = []
        self._http = HttpClient(10, self.incident)
        network = httpx.MockTransport(lambda _: httpx.Response(200, content=iter(self._chunks)))
        self._http._unverified = httpx.Client(transport=network)

        self.tell(Output("0123456789", LABEL, "", "", (0, 0), (), is_base64=False))
        self.by_itself = "\n".join(self.told_since())

    def tell(self, output: Output) -> None:
        """Record the output as a command's, as an HTTP answer, as an engine request and as a fact."""
        self.journal.redactor = Redactor()
        self.journal.redactor.learn("CANARY", output.secret)
        command = Command(("docker", "logs", output.written), 10)
        said = self._said(output.chunks)
        self.incident.command_ended(Completed(command, 0, said, said, 0.0))
        short = f"{output.before}{output.written}{output.after}"
        self.incident.exchanged("POST", f"http://shop/?{short}", {short: [short]}, self._answered(output.chunks))
        self.incident.engine_asked(EngineRequest("GET", f"/images/{quote(short)}/json?{short}", 0.1, error=short))
        self.incident.record_fact("origin", {"tags": (short,), "digests": {short: short}})

    def _answered(self, chunks: list[bytes]) -> HttpResponse:
        """Return the response to a request whose answer's body comes in these chunks."""
        self._chunks = chunks
        client = self._http._unverified
        return self._http._ask(client, client.build_request("GET", "http://shop/"), end=False)

    @staticmethod
    def _said(chunks: list[bytes]) -> bytes:
        """Return what is read of a process that writes these chunks to standard output."""
        with ManagedProcess(("true",), {}, None, None) as started:
            started._files += [_file(chunks), _file([])]
            return started.output()[0]

    def told_since(self) -> Iterator[str]:
        """Yield everything written since the last call."""
        with self.journal.path.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        self._read += len(lines)
        self.journal.entries.clear()
        for line in lines.splitlines():
            entry = {name: value for name, value in json.loads(line).items() if name not in FRAME}
            yield json.dumps(entry)
            yield json.dumps(entry, ensure_ascii=False)
            yield from _texts(entry)
        for file in (path for path in self._folder.rglob("*") if path.is_file() and path != self.journal.path):
            yield file.read_bytes().decode(errors="replace")
            file.unlink()


def _file(chunks: list[bytes]) -> io.BufferedRandom:
    file = os.fdopen(os.memfd_create("said"), "w+b", buffering=0)
    for chunk in chunks:
        file.write(chunk)
    return cast("io.BufferedRandom", file)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def on_terminal(output: Output, redactor: Redactor) -> str:
    """Return what a terminal shows after the output was written to it in pieces."""
    shown = io.StringIO()
    terminal = Redacting(cast("TextIO", shown), redactor.text)
    for piece in output.pieces:
        terminal.write(piece)
    terminal.flush()
    return shown.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    found = Written(tmp_path_factory.mktemp("incident"))
    yield found
    found.journal.close()


@settings(max_examples=examples(250, 10_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(output=outputs())
def test_secret_is_in_nothing_written(written: Written, output: Output) -> None:
    """A secret is in no byte of the journal, in no file beside it, and not on the terminal."""
    # Text that the runbook writes for any output is no leak either.
    assume(not output.is_shown_by(written.by_itself))
    written.tell(output)
    for told in written.told_since():
        assert not output.is_shown_by(told), told
    assert not output.is_shown_by(on_terminal(output, written.journal.redactor))


class _Words(HTMLParser):
    """The tags, attribute values and texts of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(value or "" for _, value in attrs)]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words_of(page: str) -> str:
    """Return the words of a page, one piece a line."""
    words = _Words()
    words.feed(page)
    words.close()
    return "\n".join(words.found)


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(output=outputs())
def test_secret_is_not_on_the_page(tmp_path_factory: pytest.TempPathFactory, output: Output) -> None:
    """A secret is in nothing that the page shows or holds, if the output is under a step."""
    pages = []
    for told in (output, Output(output.secret, LABEL, output.before, output.after, output.dots, (), is_base64=False)):
        written = Written(tmp_path_factory.mktemp("page"))
        written.incident.step_began(
            {"id": "1.1.1", "keyword": "Given", "text": "it", "scenario": "S", "place": "1.feature:1"}
        )
        written.tell(told)
        written.incident.step_ended(ValueError(str(told)))
        written.journal.close()
        pages.append(body(written.journal.path))
    assume(not output.is_shown_by(words_of(pages[1])))
    assert not output.is_shown_by(words_of(pages[0]))
    assert not output.is_shown_by(pages[0])


@settings(max_examples=examples(150, 300), deadline=None, suppress_health_check=list(HealthCheck))
@given(output=outputs())
def test_secret_is_not_in_the_live_view(output: Output) -> None:
    """A secret is not in the live view of a running command, nor in the lines above it."""
    redactor = Redactor()
    redactor.learn("CANARY", output.secret)
    cleaned = visible(redactor.text(f"{output.before}{output.written}{output.after}"))
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as shown:
        terminal = cast("TextIO", Redacting(cast("TextIO", shown), redactor.text))
        live = LiveView(terminal, LiveState(step="Given it", doing=cleaned, command=cleaned), _nobody, colour=True)
        live.line([(cleaned, Style.BAD), (cleaned, Style.GOOD)])
        live._console.print(live)
        terminal.flush()
        shown.seek(0)
        drawn = shown.read()
    assert not output.is_shown_by(drawn)


def _nobody() -> None:
    """Probe nothing."""
