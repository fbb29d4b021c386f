"""The forms in which programs write a secret: plain, URL-encoded, in JSON, HTML, shell quotes or base64."""

import base64
import json
import re
from collections.abc import Iterator
from functools import cached_property
from html import escape as html_escaped
from urllib.parse import quote, quote_plus

from runbook.secrets.invisible import HIDDEN

#: Shorter values are often ordinary words.
SHORTEST_SECRET = 6

# The levels of nested strings (JSON in JSON) that are searched; each doubles the backslashes.
_LEVELS = 3
# Characters that no program escapes.
_ALWAYS_PLAIN = "A-Za-z0-9_.-"
_NAMED = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
_SURROGATES = "[\udc80-\udcff]"  # Python's representation of bytes that are not UTF-8
_REPLACED = "\N{REPLACEMENT CHARACTER}"  # their replacement in decoded output
_PIECES = re.compile(rf"\s+|{_SURROGATES}+|.", re.DOTALL)


class Secret:
    """One secret and a pattern of its forms, compiled when a trace of it is found."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value
        self._cores = _base64_cores(value)
        runs = re.findall(rf"[{_ALWAYS_PLAIN}]+", value)
        #: Every text with the secret contains one of these.
        self._traces = tuple({max(runs, key=len, default=""), *map(_trace_of_core, self._cores)})

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the secret in `text`, in any form."""
        if any(trace in text for trace in self._traces):
            for found in self._pattern.finditer(text):
                yield found.span()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pieces = _PIECES.findall(self._value)
        # Invisible characters may be missing, unless too little else is left of the secret.
        optional = len(HIDDEN.sub("", self._value)) >= SHORTEST_SECRET
        written = (
            "".join(_written(piece, level, optional=optional) for piece in pieces) for level in range(_LEVELS + 1)
        )
        return re.compile("|".join(dict.fromkeys((*written, *map(_written_core, self._cores)))))


def _written(piece: str, level: int, *, optional: bool) -> str:
    # A pattern for a character (or run) of a secret in nested strings, `level` deep. Each level has a nearly fixed
    # number of backslashes, so that the search stays fast.
    if re.fullmatch(f"[{_ALWAYS_PLAIN}]", piece):
        return re.escape(piece)
    slashes = [re.escape("\\" * 2**depth) for depth in range(level)]
    escape = f"(?:{'|'.join(reversed(slashes))})" if level else None
    if piece.isspace():
        return _white_space(piece, escape)
    numbers = "|".join(dict.fromkeys(way for char in piece for way in _numbers(char, escape)))
    if "\udc80" <= piece[0] <= "\udcff":
        # After decoding with replacement, one character may represent several such bytes.
        each = f"(?:{'|'.join(map(re.escape, sorted(set(piece))))}|{numbers}|{_REPLACED})"
        return f"{each}{{1,{len(piece)}}}+"
    if piece == "\\":
        itself = re.escape("\\" * 2**level)
    elif piece == '"':
        itself = f"(?:{re.escape(chr(92) * (2**level - 1))})?{piece}"
    else:
        itself = f"{escape}?{re.escape(piece)}" if level else re.escape(piece)
    if piece == "'":
        itself += "|'\"'\"'"  # the form in shells, and in recorded commands
    if escape and piece in _NAMED:
        itself += f"|{escape}{_NAMED[piece]}"
    return f"(?:{itself}|{numbers}){'?' if optional and HIDDEN.fullmatch(piece) else ''}"


def _white_space(piece: str, escape: str | None) -> str:
    # Messages fold white space and wrap at it; URL-encoded forms write a space as a plus.
    numbers = dict.fromkeys(way for char in sorted({*piece, " "}) for way in _numbers(char, escape))
    named = [f"{escape}[tnvfr]"] if escape else []
    return f"(?:(?:{'|'.join((chr(92) + 's', *named, *numbers))})++|(?:{'|'.join((chr(92) + '+', *numbers))})++)"


def _numbers(char: str, escape: str | None) -> Iterator[str]:
    r"""Yield patterns for a character as numbers: `%C3%A4`, `&#228;`, and in strings `\u00e4` or `\xc3\xa4`."""
    digits = [f"{byte:02x}" for byte in _bytes(char)]
    yield f"(?i:{''.join(f'%{pair}' for pair in digits)})"
    yield f"(?i:&#(?:0*{ord(char)}|x0*{ord(char):x});)"
    if html_escaped(char) != char:
        yield re.escape(html_escaped(char))
    if escape is not None:
        units = char.encode("utf-16-be", errors="surrogatepass").hex()
        ways = ["".join(f"{escape}u{units[at : at + 4]}" for at in range(0, len(units), 4))]
        ways.append("".join(f"{escape}x{pair}" for pair in digits))
        ways.append(f"{escape}x{ord(char):02x}" if ord(char) < 0x100 else f"{escape}U{ord(char):08x}")
        yield f"(?i:{'|'.join(dict.fromkeys(ways))})"


def _bytes(text: str) -> bytes:
    # Environments and env files may contain bytes that are not UTF-8. Python keeps them as lone surrogates.
    return text.encode("utf-8", errors="surrogateescape")


def _base64_cores(secret: str) -> tuple[str, ...]:
    # The fixed part of `secret` in base64, at each of the three alignments. The secret is rarely encoded alone
    # (`user:secret`, JSON in a token), and the characters at both ends depend on its neighbors.
    in_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    in_url = (way(_bytes(secret)) for way in (quote, quote_plus))
    cores: list[str] = []
    for form in dict.fromkeys((secret, *in_json, *in_url)):
        plain = _bytes(form)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            cores.append(encode(plain).decode().rstrip("="))
            for before in range(3):
                encoded = encode(bytes(before) + plain).decode()
                # The neighbors' bits reach into the characters outside this slice (RFC 4648, section 4).
                cores.append(encoded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6])
    return tuple(core for core in dict.fromkeys(cores) if len(core) >= SHORTEST_SECRET)


def _trace_of_core(core: str) -> str:
    return max(re.findall(r"[A-Za-z0-9_-]+", core), key=len, default="")


def _written_core(core: str) -> str:
    # JSON and URLs escape these two characters of base64.
    return (
        re.escape(core)
        .replace("/", r"(?:\\{0,7}/|(?i:%2f|\\{1,4}u002f))")
        .replace(r"\+", r"(?:\+|(?i:%2b|\\{1,4}u002b))")
    )
