"""Errors in a stream of logs, counted by signature. One fast search skips most lines."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import re2  # type: ignore[import-untyped]

from runbook.production.logs.levels import without_escape_codes
from runbook.production.logs.lines import LinesOfOne, has_frame

# The parts that differ between two occurrences of one error.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+"), "<n>"),
)
_LONGEST_SIGNATURE = 200
_PREFIX = re.compile(rb"^(?P<container>[\w.-]+)\s*\|\s?(?P<line>.*)$", re.DOTALL)
_REPLICA = re.compile(r"-\d+$")
#: Matches every line that is an error, or begins or ends one (`lines.py`, `levels.py`): a word, a level as one letter
#: or a number, a stack frame, a traceback. It may match other lines too. A matched line is examined.
_SUSPECT = re2.compile(
    rb"(?im)err|eror|fata|pani|crit|ftl|pnc|severe|alert|emerg|exception|fail|segmentation|terminate called"
    rb"|rejection|traceback|exc_info|stack_trace|\*\* \(|\+-|\|\s+at \S|^\s+at \S|<\d{1,3}>|[ef]\d{4} \d\d:"
    rb"""|"[efpc]["+ ]|="?[efpc]["\s]|="?[efpc]$|\\u00|u001b\[|x1b\[|033\[|\\e\[|\^\[\["""
    rb'|(?:level|lvl|"[@._-]*l|level[._-]?(?:no|value|name)|severity[._-]?(?:text|number)?|"[@._-]*sev|prio|priority)'
    rb'[@._-]*"\s*:\s*"?\s*\d'
    rb"|[\x0b\x0c\x1c-\x1e]|\r.|\xc2\x85|\xe2\x80[\xa8\xa9]",
    _BYTES := re2.Options(),
)
_COLOUR = re2.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]", _BYTES)
#: Lines for which numbers may decide: a level, a priority.
_NUMBERED = re.compile(rb"[{<]")
# The number 0 means "none", and any other number "some". The count of digits is kept: it tells a time.
_LONE_ZERO = re.compile(rb"(?<!\d)0(?!\d)")
_ID = re.compile(rb"\b(?:0x)?[0-9a-f]{8,}\b", re.IGNORECASE)
_DIGITS = bytes.maketrans(b"0123456789", b"1111111111")
_MOST_REMEMBERED = 10_000


def signature_of(service: str, line: str) -> str:
    """Return the service and the line without the parts that differ between occurrences.

    >>> signature_of("api", "ERROR order 17 failed")
    'api: ERROR order <n> failed'
    """
    text = line.strip()
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return f"{service}: {text}"[:_LONGEST_SIGNATURE]


class ErrorCounter:
    """Counts the errors in the output of `docker compose logs`, which is fed to it in pieces.

    Of the output it keeps the last line of each container, and a limited number of lines to recognize repetitions.
    Errors that match a pattern of `ignore` do not count. `redact` is called before numbers are replaced, because it
    does not recognize a secret without them.
    """

    def __init__(self, ignore: Sequence[str] = (), redact: Callable[[str], str] = str) -> None:
        self._harmless = [re.compile(pattern) for pattern in ignore]
        self._redact = redact
        self.counts: Counter[str] = Counter()
        #: The number of lines by container. Lines without a container are under the empty name.
        self.lines: Counter[str] = Counter()
        self._containers: defaultdict[str, LinesOfOne] = defaultdict(LinesOfOne)
        self._names: dict[bytes, str] = {}
        #: The newest line of each container, if it was skipped; the containers whose traceback has not ended.
        self._newest: dict[str, bytes] = {}
        self._awaiting: set[str] = set()
        #: The signatures of lines that differ only in numbers, and whether they are errors.
        self._remembered: dict[tuple[str, bytes], tuple[tuple[str, ...], bool]] = {}
        #: Exact lines within a traceback, with the indent of its head, that are not errors, whatever line is before
        #: them, and do not end it. A release that fails on every request writes the same stack again and again.
        self._within: set[tuple[int | None, bytes]] = set()
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Count the next piece, which may end anywhere."""
        whole, newline, self._rest = (self._rest + piece).rpartition(b"\n")
        if newline:
            self._block(whole)

    def end(self) -> None:
        """Count the rest of the last piece as a whole line."""
        self._block(self._rest)
        self._rest = b""

    def _block(self, block: bytes) -> None:
        if b"\x1b" in block:
            block = _COLOUR.sub(b"", block)
        lines = block.split(b"\n")
        before = [_before_the_bar(line) for line in lines]
        for raw, number in Counter(before).items():
            self.lines[self._name(raw)] += number
        at, looked = 0, _Looked(block, self._name)
        while at <= len(block):
            if not self._awaiting:
                found = _SUSPECT.search(block, at)
                if found is None:
                    break
                at = block.rfind(b"\n", 0, found.start()) + 1
            end = block.find(b"\n", at)
            line = block[at : end if end >= 0 else len(block)]
            name = self._name(_before_the_bar(line))
            if not self._awaiting or name in self._awaiting or _SUSPECT.search(line):
                self._look(name, line, at, looked)
                looked.newest[name] = at
            at += len(line) + 1
        for name in {self._name(raw) for raw in dict.fromkeys(before)}:
            # An examined line is stored as empty: `LinesOfOne` knows it already.
            self._newest[name] = looked.passed_over(name, len(block) + 1, self._newest) or b""

    def _look(self, name: str, raw: bytes, at: int, looked: "_Looked") -> None:
        container, line = self._containers[name], _said(raw)
        within = (container.indent, line) if name in self._awaiting else None
        text = line.decode("utf-8", errors="replace")
        if within in self._within:
            container.passed_over(text)
            return
        indented = line[:1].isspace()
        key = None
        if not (indented or name in self._awaiting or _NUMBERED.search(line)):
            key = (name, _LONE_ZERO.sub(b"\x00", _ID.sub(b"\x01", line)).translate(_DIGITS))
            if (known := self._remembered.get(key)) is not None:
                signatures, is_error = known
                self.counts.update(signatures)
                container.passed_over(None if is_error else text)
                return
        if indented and (passed := looked.passed_over(name, at, self._newest)) is not None:
            container.passed_over(passed.decode("utf-8", errors="replace"))
        errors = list(container.errors_in(text))
        signatures = tuple(self._signatures(name, errors))
        self.counts.update(signatures)
        (self._awaiting.add if container.awaits else self._awaiting.discard)(name)
        plain = within and not errors and container.indent == within[0] and not has_frame(text)
        if within and plain and len(self._within) < _MOST_REMEMBERED:
            self._within.add(within)
        if key and not container.awaits and len(self._remembered) < _MOST_REMEMBERED:
            self._remembered[key] = signatures, bool(errors)

    def _signatures(self, name: str, errors: Iterable[str]) -> Iterator[str]:
        service = _REPLICA.sub("", name)
        for error in errors:
            if not any(pattern.search(error) for pattern in self._harmless):
                yield signature_of(service, self._redact(error))

    def _name(self, raw: bytes) -> str:
        """Return the container's name from the text before the first `|` of a line."""
        name = self._names.get(raw)
        if name is None:
            found = _PREFIX.match(raw + b"|")
            name = found["container"].decode("utf-8", errors="replace") if found else ""
            if found or len(self._names) < _MOST_REMEMBERED:
                self._names[raw] = name
        return name


class _Looked:
    """The examined lines of one piece: the offset of each container's newest."""

    def __init__(self, block: bytes, name_of: Callable[[bytes], str]) -> None:
        self._block = block
        self._name_of = name_of
        self.newest: dict[str, int] = {}

    def passed_over(self, name: str, at: int, earlier: Mapping[str, bytes]) -> bytes | None:
        """Return the container's line before the one at `at`, if it was skipped. A stack frame makes it an error.

        `earlier` has the newest lines of the pieces before. Empty lines are ignored.
        """
        block, end = self._block, at - 1
        while end >= 0:
            start = block.rfind(b"\n", 0, end) + 1
            line = block[start:end]
            if self._name_of(_before_the_bar(line)) == name and _says_something(line):
                return None if self.newest.get(name) == start else _said(line)
            end = start - 1
        return earlier.get(name) or None


def _before_the_bar(line: bytes) -> bytes:
    head, bar, _ = line.partition(b"|")
    return head if bar else b""


def _said(raw: bytes) -> bytes:
    """Return the line without its container's name."""
    found = _PREFIX.match(raw)
    return found["line"] if found else raw


def _says_something(raw: bytes) -> bool:
    return bool(without_escape_codes(_said(raw).decode("utf-8", errors="replace")).splitlines())
