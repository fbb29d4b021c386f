"""A CI service's HTTP API: pages, rate limits and redirects to where it keeps its files."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from runbook.errors import NoAnswer, NotRead, RunbookError, SourceError
from runbook.hosts.http import LARGEST_BODY, HttpResponse
from runbook.targets.redirects import follow, next_page
from runbook.targets.sources.source import Through

_MOST_PAGES = 100
_MOST_WAITS = 3
_PER_PAGE = 30
_LIMITED = 60.0  # seconds, where a limit has no end of its own
#: GitHub's second kind of limit may come without any header; this is in the address of what explains it.
_SECONDARY = "secondary-rate-limit"


@dataclass(frozen=True)
class RestApi:
    """The API at `url`; `headers` go to whichever server answers, `credentials` to this one alone."""

    name: str
    url: str
    headers: Mapping[str, str]
    credentials: Mapping[str, str]
    #: Where the settings name the token.
    token: str

    def get(self, through: Through, path: str, *, end: bool = False) -> HttpResponse:
        """GET a path, with its query; a rate limit is waited for where it ends before the deadline.

        Of what is too long the beginning is read, or the `end`. Raises NotRead, SourceError for any other answer than
        200, and NoAnswer.
        """
        for _ in range(_MOST_WAITS):
            _ = through.seconds_left
            answer = follow(
                through.http, "GET", self.url + path, self.headers, self.credentials, whose=self.name, end=end
            )
            wait = _limited(answer)
            if wait is None:
                break
            through.wait(wait, f"{self.name} limits requests (HTTP {answer.status})")
        else:
            raise SourceError(f"{self.name} goes on limiting requests (HTTP {answer.status})", "ask again later")
        # Logs and artifacts are handed out by another server, which knows no token.
        own = urlsplit(answer.url).netloc == urlsplit(self.url).netloc
        if answer.status in (401, 403) and own:
            raise SourceError(
                f"{self.name} refuses the token (HTTP {answer.status})", f"check the secret that {self.token} names"
            )
        asked, settings = path.partition("?")[0][:200], self.token.rpartition(".")[0]
        if answer.status in (404, 410) or (answer.status != 200 and not own):
            raise NotRead(
                f"{self.name} answered {answer.status} to {asked}: it is not there, or not for this token",
                f"check the names under {settings}, and what its token may read",
            )
        if answer.status != 200:
            raise SourceError(
                f"{self.name} answered {answer.status} to {asked} where 200 was expected",
                f"check the names under {settings}, and what its token may read",
            )
        return answer

    def json(self, through: Through, path: str) -> Any:
        """Return the JSON at a path. Raises as `get` does, and Inconclusive when it is none."""
        return self.get(through, path).json()

    def listed(
        self, through: Through, path: str, query: Mapping[str, str], member: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Return each object of a list, page by page; `member` holds the list where a page is an object.

        Raises as `get` does, and SourceError when it is no list, or has no end.
        """
        path += "?" + urlencode({**query, "per_page": str(_PER_PAGE)})
        for _ in range(_MOST_PAGES):
            answer = self.get(through, path)
            page = answer.json()
            found = page.get(member) if member and isinstance(page, dict) else page
            if not isinstance(found, list):
                raise SourceError(f"{answer.url[:200]} gives no list", "ask the address by hand, with curl")
            yield from (each for each in found if isinstance(each, dict))
            linked, own = next_page(answer, self.name), urlsplit(self.url)
            if linked is None or not found:
                return
            if (linked.scheme, linked.netloc) != (own.scheme, own.netloc) or not linked.path.startswith(own.path):
                raise SourceError(f"{self.name} names another server for its next page", "ask the server's owner")
            path = f"{linked.path.removeprefix(own.path)}?{linked.query}"
        raise SourceError(f"{self.name} gives a list of more than {_MOST_PAGES} pages", "ask the server's owner")


class Unread:
    """What of a list could not be read; it is told, and does not stop what comes behind it."""

    def __init__(self, remarks: list[str]) -> None:
        self._remarks = remarks
        self._first: RunbookError | None = None

    def noting(self, what: str, lines: Iterable[str]) -> list[str]:
        """Read `lines`; nothing, and a remark, where they cannot be read."""
        try:
            return list(lines)
        except (NotRead, NoAnswer) as error:
            self._first = self._first or error
            self._remarks.append(f"{what} was not read: {error.seen}")
            return []

    def raise_first(self) -> None:
        """Raise why the first could not be read, if any could not."""
        if self._first is not None:
            raise self._first


def was_cut(answer: HttpResponse) -> bool:
    """Tell whether an answer was too long to be read to its end."""
    return len(answer.content) >= LARGEST_BODY


def _limited(answer: HttpResponse) -> float | None:
    """For how many seconds no more requests are wanted; None where they are."""
    if answer.status not in (403, 429, 503):
        return None
    headers, now = answer.headers, _moment(answer.headers.get("date")) or datetime.now(UTC)
    if (after := headers.get("retry-after")) is not None:
        if (seconds := _number(after)) is not None:
            return seconds
        until = _moment(after)
        return max((until - now).total_seconds(), 0.0) if until else _LIMITED
    reset = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset"))
    spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining"))
    if reset is not None and (spent == "0" or answer.status == 429):
        return max(reset - now.timestamp(), 0.0) + 1
    if answer.status == 403 and (spent == "0" or _SECONDARY in answer.body[:4096]):
        return _LIMITED
    return 1.0 if answer.status == 429 else None


def _number(text: str | None) -> float | None:
    digits = (text or "").strip()
    return float(digits[:12]) if digits.isascii() and digits.isdigit() else None


def _moment(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
