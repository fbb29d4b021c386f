"""Credentials found by their place in a text: in a URL, or after `Authorization:`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Their names in `[secret NAME]`. Their values are not learned, because hostile output could teach ordinary words.
URL, HEADER = "of a URL", "Authorization"

# The password's stand-in when the user name is the token.
_STAND_IN = r"(?:x-oauth-basic|x-oauth|api_token|oauth2?|unused|none|x)?"
# In JSON a URL's slashes may be escaped. A password may contain a slash, but not right after something like a port:
# `host:8080/me@mail.example` has a path.
_IN_URL = re.compile(
    rf"""/\\*/(?:
      (?P<token>[^\s/?#@:"<>`]++) (?: :{_STAND_IN} )?+ @
      | [^\s/?#:"<>`]*+ : (?P<password>[^\s/?#"<>`]+) @
      | [^\s/?#:"<>`\[\]]*+ : (?![0-9]{{0,5}}(?:[/?#,\\]|$))
        (?P<slashed>(?:[^\s/?#"<>`@]|[?#]|/(?!\\*/))++ (?:@[^\s/?#"<>`@]*+(?=@))*+) @
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_SCHEME = 32

_QUOTE = r"(?:[\"'\\]|&(?:quot|apos|\#39|\#34|\#x27|\#x22);)"
# The scheme is kept. Exactly one word follows a scheme of the first kind.
_ONE_WORD = "(?:basic|bearer|token|negotiate|ntlm|jwt|dpop)"
_SCHEMES = (
    rf"(?:{_ONE_WORD}|digest|oauth|api-?key|hawk|mac|signature|sharedkey|aws4-hmac-sha256|ssws|geniekey|key|splunk)"
)


def _quoted(name: str) -> str:
    # To the closing quote or the end of the line.
    return rf"(?P<{name}>\\{{0,8}}+[\"'])(?:(?!(?<!\\)(?P={name}))[^\r\n])*+(?P={name})?+"


# Possessive quantifiers keep the search linear. Text that is already redacted is left alone. A quote where a
# parameter's value may begin opens the value; any other quote ends the text around the header.
_IN_HEADER = re.compile(
    rf"""(?<![a-z0-9])authorization
    (?:
      {_QUOTE}{{0,8}}+[ \t]{{0,8}}+(?::=?|=>?|->)                    # `: `, `=`, ` => `
      | {_QUOTE}{{1,8}}+\s{{0,8}}+,\s{{0,64}}+                       # or as a pair: `", "`
        (?:{_QUOTE}{{1,8}}+values?+{_QUOTE}{{1,8}}+\s{{0,8}}+(?::|=>?))?+   # or as two members: `", "value": "`
    )
    [ \t]{{0,8}}+(?!\[secret\ )(?:[\[(]\s{{0,64}}+)?+(?:b(?=["']))?+
    (?!\\{{0,8}}(?:""|'')(?:[\s,}})\]]|$))
    {_QUOTE}{{0,8}}+[ \t]{{0,8}}+
    (?:
      {_ONE_WORD}[ \t]{{1,8}}+(?!\[secret\ )(?![\w-]{{1,64}}+[ \t]{{0,8}}+=[ \t]{{0,8}}+\\{{0,8}}["'])
      (?P<one>(?:{_quoted("q")}|[^\s"'\\<>]++)(?:[^\s"'\\<>]++)?+)
      | (?:{_SCHEMES}[ \t]{{1,8}}+)?+(?!\[secret\ )
      (?P<rest>(?:[^\r\n"'\\<>]++|(?<=[=\s,:(]){_quoted("r")}|\\{{1,8}}+(?![rn"'\\]))++)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_HEADER_NAME = re.compile(r"(?:.*[^a-z0-9])?authorization", re.IGNORECASE)
_SCHEME = re.compile(rf"\s*(?:{_SCHEMES}[ \t]+)?", re.IGNORECASE)
_STRUCK_OUT = re.compile(r"\[secret [^\]\r\n]*\]")


def credentials_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, name) of each credential in `text`.

    >>> list(credentials_in("Authorization: Bearer abc"))
    [(22, 25, 'Authorization')]
    """
    if "@" in text:
        yield from _in_urls(text)
    if "authorization" in text.lower():
        for found in _IN_HEADER.finditer(text):
            yield *found.span("one" if found["one"] else "rest"), HEADER


def _in_urls(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _IN_URL.finditer(text):
        above = text[max(0, found.start() - _LONGEST_SCHEME) : found.start()].rstrip("\\").lower()
        if found["token"]:
            # `git@host` and `shop@db` are user names; over HTTP it is a token.
            if above.endswith(("http:", "https:")):
                yield *found.span("token"), URL
            elif found.end("token") + 2 < found.end() and _is_url(above):
                yield found.end("token") + 1, found.end() - 1, URL
        elif above.endswith(":"):
            yield *found.span("password" if found["password"] else "slashed"), URL
        elif found["password"] and _is_url(above):
            yield *found.span("password"), URL


def _is_url(above: str) -> bool:
    # A path may also contain two slashes.
    return not above or above[-1] == ":" or not (above[-1].isalnum() or above[-1] in "/._-")


def is_authorization(name: str) -> bool:
    """Tell whether a header or object member with that name contains credentials."""
    return _HEADER_NAME.fullmatch(name) is not None


def without_credentials(value: Any) -> Any:
    """Return the value of an Authorization header with everything but its scheme replaced, also within a list.

    >>> without_credentials("Bearer abc")
    'Bearer [secret Authorization]'
    """
    if isinstance(value, str):
        scheme = _SCHEME.match(value)
        word = scheme[0] if scheme else ""
        rest = value[len(word) :]
        return value if not rest or _STRUCK_OUT.fullmatch(rest) else f"{word}[secret {HEADER}]"
    if isinstance(value, list | tuple):
        return [without_credentials(item) for item in value]
    return value


def is_pair(value: Sequence[Any]) -> bool:
    """Tell whether `value` is an Authorization header in the form [name, value]."""
    name = value[0] if len(value) == 2 else None
    return isinstance(name, str) and " " not in name and is_authorization(name)


def names_authorization(members: Mapping[Any, Any]) -> bool:
    """Tell whether an object has an Authorization header in the form of its members `name` and `value`."""
    return any(
        str(key).lower() in ("name", "key", "header") and isinstance(item, str) and is_authorization(item)
        for key, item in members.items()
    )
