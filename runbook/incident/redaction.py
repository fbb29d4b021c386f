"""Which words must never be written anywhere, and what stands in their place.

Redaction is by value: a secret is recognised wherever it turns up, plain or encoded, because what prints it
(an image, a log, a traceback) cannot be trusted to label it.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

#: Values shorter than this are ordinary words too often to be struck out everywhere.
SHORTEST_SECRET = 6

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


class Redactor:
    """Strikes known secrets out of text, in plain, URL-encoded, base64 and JSON-escaped form."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, name: str, secret: str) -> None:
        """Remember `secret`; from now on it is written as `[secret NAME]`. Short values are left alone."""
        if len(secret) < SHORTEST_SECRET:
            return
        for form in _forms(secret):
            self._names.setdefault(form, name)
        if password := _password_of_url(secret):
            self.learn(name, password)
        # Longest first, so that a secret that contains another one is struck out whole.
        ordered = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in ordered))

    def learn_all(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remember every (name, secret)."""
        for name, secret in secrets:
            self.learn(name, secret)

    def text(self, text: str) -> str:
        """Return `text` without any known secret."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret {self._names[found.group()]}]", text)

    def value(self, value: Any) -> Any:
        """Return a JSON-like value without any known secret, in keys as well as in values."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _forms(secret: str) -> set[str]:
    once = json.dumps(secret)[1:-1]
    forms = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        once,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(once)[1:-1],
        once.replace("/", "\\/"),
    }
    forms |= {re.sub(r"%[0-9A-F]{2}", lambda code: code.group().lower(), form) for form in forms}
    forms |= set(_base64_cores(secret.encode("utf-8")))
    return {form for form in forms if len(form) >= SHORTEST_SECRET}


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
