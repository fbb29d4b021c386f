"""Which words must never be written anywhere, and what stands in their place.

Redaction is by value: a secret is recognised wherever it turns up, plain or encoded, because what prints it
(an image, a log, a traceback) cannot be trusted to label it.
"""

import base64
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

#: Values shorter than this are ordinary words too often to be struck out everywhere.
SHORTEST_SECRET = 6

# How deep a secret is looked for in strings inside of strings (JSON in JSON); each doubles the backslashes.
_LEVELS = 3

_SECRET_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION|SECRET)_?KEY|_KEY$|CREDENTIAL|DSN|AUTH$|SALT|COOKIE",
    re.IGNORECASE,
)


def looks_secret(name: str) -> bool:
    """Tell whether a variable of that name probably holds a secret."""
    return _SECRET_NAME.search(name) is not None


def secrets_in(variables: Mapping[str, str], also: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for variables whose name looks secret, is listed in `also`, or is a URL with a password."""
    listed = set(also)
    for name, value in variables.items():
        if name in listed or looks_secret(name):
            yield name, value
        if password := _password_of_url(value):
            yield name, password
            yield name, unquote(password)


def _password_of_url(value: str) -> str | None:
    if "://" not in value:
        return None
    try:
        return urlsplit(value).password
    except ValueError:
        return None


def beginning(text: str, length: int) -> str:
    """The beginning of `text`, on one line, cut at white space: half of a secret is not recognised any more."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length + 1].rpartition(' ')[0]} …"


class Redactor:
    """Strikes known secrets out of text, in plain, URL-encoded, base64 and JSON-escaped form; from any thread."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()
        self._compiled: tuple[re.Pattern[str], list[str]] | None = None

    def learn(self, name: str, secret: str) -> None:
        """Remember `secret`; from now on it is written as `[secret NAME]`. Short values are left alone.

        Of a secret with several lines each line is one too: programs print line by line.
        """
        for part in (secret, *secret.splitlines()):
            if len(" ".join(part.split())) >= SHORTEST_SECRET:
                with self._lock:
                    self._names.setdefault(part.strip(), name)
                    self._compiled = None
        if password := _password_of_url(secret):
            self.learn(name, password)

    def learn_all(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remember every (name, secret)."""
        for name, secret in secrets:
            self.learn(name, secret)

    def text(self, text: str) -> str:
        """Return `text` without any known secret."""
        if not self._names:
            return text
        with self._lock:
            if self._compiled is None:
                self._compiled = self._compile()
            pattern, labels = self._compiled
        # Each secret has one group, and nothing else has.
        return pattern.sub(lambda found: labels[(found.lastindex or 0) - 1], text)

    def _compile(self) -> tuple[re.Pattern[str], list[str]]:
        # Longest first, so that a secret that contains another one is struck out whole.
        ordered = sorted(self._names, key=len, reverse=True)
        labels = [f"[secret {self._names[secret]}]" for secret in ordered]
        return re.compile("|".join(f"({_pattern_of(secret)})" for secret in ordered)), labels

    def value(self, value: Any) -> Any:
        """Return a JSON-like value without any known secret, in keys as well as in values."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _pattern_of(secret: str) -> str:
    """A pattern for every way in which programs write `secret`; they differ in which characters they escape."""
    pieces = re.findall(r"\s+|.", secret)
    written = ("".join(_written(piece, level) for piece in pieces) for level in range(_LEVELS + 1))
    cores = (re.escape(core) for core in _base64_cores(_bytes(secret)) if len(core) >= SHORTEST_SECRET)
    return "|".join(dict.fromkeys((*written, *cores)))


def _written(piece: str, level: int) -> str:
    """A pattern for one character, or a run of white space, of a secret in a string in a string, `level` deep.

    On each level there is next to no choice in how many backslashes stand for one: with more, some output could keep
    the search busy for ever.
    """
    if re.fullmatch(r"[A-Za-z0-9_.-]", piece):
        return re.escape(piece)
    slashes = [re.escape("\\" * 2**depth) for depth in range(level)]
    escape = f"(?:{'|'.join(reversed(slashes))})"
    numbers = "|".join(_numbers(char, escape if level else None) for char in sorted(set(piece)))
    if piece.isspace():
        # Messages fold white space, and break lines where there was a space.
        named = rf"|{escape}[nrt]" if level else ""
        return rf"(?:\s|\+|%20{named}|{numbers}){{1,99}}"
    if piece == "\\":
        itself = re.escape("\\" * 2**level)
    elif piece == '"':
        itself = f"(?:{re.escape(chr(92) * (2**level - 1))})?{piece}"
    else:
        itself = f"{escape}?{re.escape(piece)}" if level else re.escape(piece)
    if piece == "'":
        itself += "|'\"'\"'"  # how shells, and our own commands on record, write it
    if "\udc80" <= piece <= "\udcff":
        itself += "|\N{REPLACEMENT CHARACTER}"  # what is left of it where output was decoded
    return f"(?:{itself}|{numbers})"


def _numbers(char: str, escape: str | None) -> str:
    r"""Patterns for a character as numbers: `%C3%A4`, and inside of a string `\u00e4` or `\xc3\xa4` as well."""
    digits = [f"{byte:02x}" for byte in _bytes(char)]
    ways = ["".join(f"%{pair}" for pair in digits)]
    if escape is not None:
        units = char.encode("utf-16-be", errors="surrogatepass").hex()
        ways.append("".join(f"{escape}u{units[at : at + 4]}" for at in range(0, len(units), 4)))
        ways.append("".join(f"{escape}x{pair}" for pair in digits))
    return f"(?i:{'|'.join(ways)})"


def _bytes(text: str) -> bytes:
    # Environments and env files may hold bytes that are not UTF-8; Python keeps those as lone surrogates.
    return text.encode("utf-8", errors="surrogateescape")


def _base64_cores(secret: bytes) -> Iterator[str]:
    """Yield the characters that `secret` always becomes in base64, at each of its three alignments.

    A secret rarely stands alone in base64 (`user:secret` does in an Authorization header); the characters at
    both ends depend on the neighbours, those between do not.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(secret).decode().rstrip("=")
        for before in range(3):
            encoded = encode(bytes(before) + secret).decode()
            # Bits of the neighbours reach into these many characters (RFC 4648, section 4).
            start = -(-before * 8 // 6)
            end = (before + len(secret)) * 8 // 6
            yield encoded[start:end]
