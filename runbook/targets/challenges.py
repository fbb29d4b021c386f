"""The challenges of a `WWW-Authenticate` header, each with its parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WORD = r"[\w!#$%&'*+.^`|~-]+"
# By the grammar an unquoted value is a token; real servers also send URLs.
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*))', re.ASCII)
_SCHEME = re.compile(_WORD, re.ASCII)
_ENCODED = re.compile(r"[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$))", re.ASCII)
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class Challenge:
    """One challenge: scheme and parameter names in lower case, values unchanged."""

    scheme: str
    parameters: Mapping[str, str]


def challenges_in(header: str) -> list[Challenge]:
    """Return the challenges of a `WWW-Authenticate` header in order, up to its first syntax error (RFC 9110, 11.6.1).

    Commas separate challenges and parameters, and occur inside quotes.

    >>> [each.scheme for each in challenges_in('Basic realm="a, b", Bearer realm="https://x/token"')]
    ['basic', 'bearer']
    """
    found: list[tuple[str, dict[str, str]]] = []
    position = _end(_BETWEEN, header, 0)
    while position < len(header):
        if found and (pair := _PARAMETER.match(header, position)):
            name, quoted, plain = pair.groups()
            # The first of duplicate parameters wins.
            found[-1][1].setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            position = pair.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme[0].lower(), {}))
            position = _end(_ENCODED, header, scheme.end())
        else:
            break
        position = _end(_BETWEEN, header, position)
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    matched = pattern.match(text, position)
    return matched.end() if matched else position
