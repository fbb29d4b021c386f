"""The redactor: replaces every known secret with `[secret NAME]` in everything that is written.

Redaction is by value, because an image, a log or a traceback prints a secret without a label. Passwords in URLs and
Authorization headers are also found by their place.
"""

import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from runbook.secrets.credentials import (
    URL,
    credentials_in,
    is_authorization,
    is_pair,
    names_authorization,
    without_credentials,
)
from runbook.secrets.invisible import views, without_split_pairs
from runbook.secrets.variants import SHORTEST_SECRET, Secret
from runbook.text import COLOUR, visible

_SECRET_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION|SECRET)_?KEY|[_.-]KEYS?$|CREDENTIAL|DSN|AUTH$"
    # PWD and OLDPWD are a shell's directories; JWT_ISSUER and the like are parameters, not secrets.
    r"|SALT|PEPPER|COOKIE|BEARER|WEBHOOK|CONN(ECTION)?_?STR(ING)?|_PWD$|(?<![A-Z])(JWT|HMAC|PAT|PW)$",
    re.IGNORECASE,
)
# `host=db password=…`, `Server=db;Pwd=…;`, `?password=…`, `-Dspring.datasource.password=…`
_ASSIGNED = re.compile(r"(?:password|passwd|pwd)\s*=\s*('[^']+'|\"[^\"]+\"|[^\s;&'\"]+)", re.IGNORECASE)


#: The start and end of a secret in a text; 0 if found by value, 1 if by its place; and its name.
_Found = tuple[int, int, int, str]


def looks_secret(name: str) -> bool:
    """Tell whether a variable with that name probably contains a secret.

    >>> looks_secret("DB_PASSWORD"), looks_secret("PATH")
    (True, False)
    """
    return _SECRET_NAME.search(name) is not None


def secrets_in(variables: Mapping[str, str], also: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for variables whose name looks secret or is listed in `also`, and for passwords in others.

    Passwords are found in URLs, and after `password=` in connection strings, queries and options.

    >>> list(secrets_in({"URL": "postgres://shop:hunter22@db/shop", "MODE": "on"}))
    [('URL', 'hunter22')]
    """
    listed = set(also)
    for name, value in variables.items():
        if name in listed or looks_secret(name):
            yield name, value
        for password in passwords_of_url(value):
            yield name, password
        for assigned in _ASSIGNED.findall(value):
            yield name, unquote(assigned.strip("'\""))
            yield name, assigned.strip("'\"")


def passwords_of_url(value: str) -> tuple[str, ...]:
    """Return the password if `value` is a URL with one: as written, and decoded if that differs."""
    if "://" not in value:
        return ()
    # A password with a slash is found by its place, one with a quote by URL syntax.
    by_place = [
        value[start:end] for start, end, name in credentials_in(value) if name == URL and value[start - 1] == ":"
    ]
    try:
        found = by_place or [urlsplit(value).password or ""]
    except ValueError:
        return ()
    return tuple(dict.fromkeys(way for password in found if password for way in (password, unquote(password))))


class Redactor:
    """Replaces known secrets in text, in plain, URL-encoded, base64 and JSON-escaped form. Thread-safe.

    >>> redactor = Redactor()
    >>> redactor.learn("API_TOKEN", "s3cr3t-t0ken")
    >>> redactor.text("Bearer s3cr3t-t0ken")
    'Bearer [secret API_TOKEN]'
    """

    def __init__(self) -> None:
        self._secrets: Mapping[str, Secret] = {}
        self._lock = threading.Lock()

    def learn(self, name: str, secret: str) -> None:
        """Replace `secret`, and each of its lines, with `[secret NAME]` from now on. Short values are ignored."""
        parts = {part.strip() for part in (secret, *secret.splitlines())}
        parts |= {COLOUR.sub("", part) for part in parts}  # a page shows it without colors
        known = {part: Secret(name, part) for part in parts if len(" ".join(part.split())) >= SHORTEST_SECRET}
        with self._lock:
            # A new mapping, because another thread may be iterating over the old one.
            self._secrets = known | dict(self._secrets)
        for password in passwords_of_url(secret):
            if password != secret:
                self.learn(name, password)

    def learn_all(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Learn every (name, secret)."""
        for name, secret in secrets:
            self.learn(name, secret)

    @contextmanager
    def temporarily_knowing(self, name: str, secret: str) -> Iterator[None]:
        """Know `secret` only within the block. No other secret may have its name."""
        self.learn(name, secret)
        try:
            yield
        finally:
            with self._lock:
                self._secrets = {value: known for value, known in self._secrets.items() if known.name != name}

    def text(self, text: str) -> str:
        """Return `text` without known secrets, passwords in URLs and Authorization headers."""
        if len(text) < SHORTEST_SECRET:
            return text
        text = without_split_pairs(text)
        pieces, end = [], 0
        for start, stop, _, name in _joined(sorted(self._found_in(text), key=_longest_first)):
            pieces += [text[end:start], f"[secret {name}]"]
            end = stop
        return "".join((*pieces, text[end:])) if pieces else text

    def _found_in(self, text: str) -> Iterator[_Found]:
        secrets = self._secrets.values()
        for view in views(text):
            for secret in secrets:
                for span in secret.found_in(view.text):
                    yield *view.span(*span), 0, secret.name
            for start, end, name in credentials_in(view.text):
                yield *view.span(start, end), 1, name

    def value(self, value: Any) -> Any:
        """Return a JSON-like value without known secrets, including its keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            headers = ("value", "values") if names_authorization(value) else ()
            return {
                self.text(str(key)): self._header(item)
                if is_authorization(str(key)) or str(key).lower() in headers
                else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.text(value[0]), self._header(value[1])] if is_pair(value) else [self.value(i) for i in value]
        return value

    def _header(self, value: Any) -> Any:
        # Known secrets first, to keep their names.
        return without_credentials(self.value(value))


def _longest_first(found: _Found) -> tuple[int, int, int]:
    start, end, rank, _ = found
    return start, -end, rank


def _joined(found: Iterable[_Found]) -> Iterator[_Found]:
    # Overlapping secrets are joined, so that nothing of either is left.
    joined: _Found | None = None
    for each in found:
        if joined is None or each[0] >= joined[1]:
            if joined is not None:
                yield joined
            joined = each
        else:
            known = each if each[2] < joined[2] else joined
            joined = joined[0], max(joined[1], each[1]), *known[2:]
    if joined is not None:
        yield joined


def redact_tracebacks(redact: Callable[[str], str]) -> None:
    """Pass tracebacks of uncaught errors through `redact` from now on."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(visible(redact("".join(traceback.format_exception(kind, error, trace)))))

    sys.excepthook = show
