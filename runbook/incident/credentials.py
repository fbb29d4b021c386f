"""Secrets that can be told by where they stand, whoever wrote the text: in a URL, behind `Authorization:`."""

import re
from collections.abc import Iterator

#: The names under which they are struck out. Their values are not learned: hostile output would teach ordinary words.
URL, HEADER = "of a URL", "Authorization"

# A URL that was written into JSON may have its slashes escaped. `git@host` and `shop@db` are names; over HTTP, who
# stands there alone is a token.
_IN_URL = re.compile(
    r":(?:\\*/){2}[^\s/?#:\"<>`]*:(?P<password>[^\s/?#\"<>`]+)@|https?:(?:\\*/){2}(?P<token>[^\s/?#@:\"<>`]+)@",
    re.IGNORECASE,
)
_QUOTE = r"(?:[\"'\\]|&(?:quot|apos|\#39|\#34|\#x27|\#x22);)"
_SCHEME = "(?:basic|bearer|token|negotiate|ntlm|apikey|jwt)"
# Nothing gives back what it took: the search cannot be kept busy, and what is struck out already is left alone.
_IN_HEADER = re.compile(
    rf"""(?<![a-z0-9])authorization
    (?:{_QUOTE}{{0,8}}+[ \t]{{0,8}}+[:=]|{_QUOTE}{{1,8}}+[ \t]{{0,8}}+,)     # `: `, or as a pair: `", "`
    [ \t]{{0,8}}+(?!\[secret\ )[\[(]?+(?:b(?=["']))?+{_QUOTE}{{0,8}}+[ \t]{{0,8}}+
    (?:
      {_SCHEME}[ \t]{{1,8}}+(?!\[secret\ )(?P<one>[^\s"'\\<>]+)
      | (?!{_SCHEME}[ \t])(?!\[secret\ )(?P<rest>[^\r\n"'\\<>]+)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_HEADER_NAME = re.compile(r"(?:.*[^a-z0-9])?authorization", re.IGNORECASE)


def credentials_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each begins and ends in `text`, and what it is called."""
    if ":" in text and "@" in text:
        for found in _IN_URL.finditer(text):
            yield *found.span(found.lastgroup or 0), URL
    if "authorization" in text.lower():
        for found in _IN_HEADER.finditer(text):
            yield *found.span(found.lastgroup or 0), HEADER


def is_authorization(name: str) -> bool:
    """Tell whether a header, or a member of an object, of that name holds credentials."""
    return _HEADER_NAME.fullmatch(name) is not None
