"""The judgment of health answers: good, not good yet, or wrong for every release."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from runbook.errors import Inconclusive, NoAnswer, Why
from runbook.hosts.http import HttpResponse
from runbook.text import beginning


class Waiting(Enum):
    """Whether waiting can help. Seldom: only an application that is still starting may answer so (404, say)."""

    HELPS = "helps"
    SELDOM = "seldom"
    NEVER = "never"


@dataclass(frozen=True)
class Objection:
    """The defect of an answer, whether waiting can help, and the setting to correct otherwise."""

    words: str
    waiting: Waiting = Waiting.HELPS
    remedy: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.remedy})" if self.remedy else self.words


_HOST = "set health.host_header to a host name that the application accepts, or health.scheme if the port speaks TLS"
_MISDIRECTED = (400, 421)
#: Statuses of a server that is overloaded or timed out. The request is not wrong.
BUSY = (408, 425, 429)


def bad_status(answer: HttpResponse) -> Objection | None:
    """Judge an answer by its status, which must be 200. Return None if it is."""
    said = f"HTTP {answer.status}: {_short(answer.body)}"
    if answer.status == 200:
        return None
    if answer.status >= 500 or answer.status in BUSY:
        return Objection(said)
    if answer.status in _MISDIRECTED:
        return Objection(said, Waiting.NEVER, _HOST, "health.host_header")
    if 300 <= answer.status < 400:
        to = answer.headers.get("location", "nowhere (no Location header)")
        return Objection(
            f"HTTP {answer.status}: redirects to {beginning(to, 200)}", Waiting.NEVER, *_redirected(answer, to)
        )
    remedy = {
        401: "let it answer without credentials",
        403: "let it answer without credentials",
        404: "set a path under [health] that the application has",
        405: "set a path under [health] that answers GET",
    }
    return Objection(said, Waiting.SELDOM, remedy.get(answer.status, "set a path under [health] that answers 200"))


def _redirected(answer: HttpResponse, to: str) -> tuple[str, str]:
    if urlsplit(to).scheme == "https" and urlsplit(answer.url).scheme == "http":
        return (
            'set health.scheme = "https" if the port speaks TLS; if the gateway does, send the header that the gateway'
            ' sends: health.headers = { X-Forwarded-Proto = "https" }'
        ), "health.scheme"
    return "set a path under [health] that answers without a redirect", ""


def not_ready(
    answer: HttpResponse,
    required: Collection[str],
    may_be_false: Collection[str] = (),
    values: Mapping[str, object] | None = None,
) -> Objection | None:
    """Judge a readiness answer. Return None if it is good.

    Its status must be 200, or may be 503 if `may_be_false` has parts. Each part in `required` must be `true`; missing,
    null, a number or a word is not good. No part may be `false` except those in `may_be_false`. `values` maps paths
    (`checks.database.state`) to required values. With `values` and nothing in `required`, only `values` are checked.
    """
    if answer.status != 200 and not (answer.status == 503 and may_be_false):
        return bad_status(answer)
    # A 503 may come from a proxy while the application starts.
    waiting = Waiting.SELDOM if answer.status == 200 else Waiting.HELPS
    try:
        said = answer.json()
    except Inconclusive:
        said = None
    if not isinstance(said, Mapping):
        words = f"answers {_short(answer.body)!r}, expected a JSON object"
        return Objection(
            words, waiting, "set health.readiness_path to a path that answers with JSON", "health.readiness_path"
        )
    if values:
        against = _other_values(answer, said, {k: v for k, v in values.items() if k not in may_be_false}, waiting)
        if against or not required:
            return against
    bad = [str(name) for name, value in said.items() if value is False and name not in may_be_false]
    known = {name: said.get(name) for name in required}
    odd = {
        name: value
        for name, value in known.items()
        if value is not True and not (value is False and (name in may_be_false or name in bad))
    }
    bad += [f"{name} (is {_short(repr(value))})" for name, value in odd.items()]
    if not bad:
        return None
    words = f"answers {answer.status}; not true: {', '.join(bad)}"
    if not any(value is not None or name not in said for name, value in odd.items()):
        return Objection(words)
    there = ", ".join(str(name) for name, value in said.items() if isinstance(value, bool)) or "none"
    remedy = f"health.required must name parts that are true or false: the answer has {_short(there)}"
    return Objection(words, waiting, remedy, "health.required")


_NOTHING = object()


def _other_values(
    answer: HttpResponse, said: object, wanted: Mapping[str, object], waiting: Waiting
) -> Objection | None:
    other = [path for path, value in wanted.items() if not _same(_at(said, path), value)]
    if not other:
        return None
    told = ", ".join(f"{path} is {_short(_json(_at(said, path)))}, not {_json(wanted[path])}" for path in other)
    words = f"answers {answer.status}; {told}"
    if any(_at(said, path) is _NOTHING for path in other):
        remedy = f"health.values must use paths of the answer: {_short(answer.body)}"
        return Objection(words, waiting, remedy, "health.values")
    return Objection(words)


def _at(said: object, path: str) -> object:
    """Return the value at a dotted path in JSON. A top-level key with dots and an index in a list work too."""
    found = said
    if isinstance(said, Mapping) and path in said:
        return said[path]
    for word in path.split("."):
        if isinstance(found, Mapping) and word in found:
            found = found[word]
        elif isinstance(found, list) and word.isdigit() and int(word) < len(found):
            found = found[int(word)]
        else:
            return _NOTHING
    return found


def _same(found: object, wanted: object) -> bool:
    # In Python, unlike in JSON, true equals 1.
    return isinstance(found, bool) is isinstance(wanted, bool) and found == wanted


def _json(value: object) -> str:
    return "missing" if value is _NOTHING else json.dumps(value, ensure_ascii=False)


def no_answer(error: NoAnswer) -> Objection:
    """Judge an address that gave no answer."""
    seen = error.seen
    if error.why is Why.REFUSED:
        helps = "set health.port to the port on which it listens, and let it listen on all addresses"
        return Objection(seen, Waiting.HELPS, helps, "health.port")
    if error.why is Why.UNREACHABLE:
        return Objection(
            seen, Waiting.HELPS, "run this on a machine that reaches the container's address, or publish its port"
        )
    if error.why is Why.TLS:
        helps = 'set health.scheme = "http" if the port does not speak TLS'
        return Objection(seen, Waiting.SELDOM, helps, "health.scheme")
    if error.why is Why.NOT_HTTP:
        helps = 'set health.scheme = "https" if the port speaks TLS, or another health.port'
        return Objection(seen, Waiting.SELDOM, helps, "health.scheme")
    return Objection(seen)


def _short(text: str) -> str:
    return beginning(text, 200)
