"""A CI service's HTTP API: pages, rate limits, and redirects to its file storage."""

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
_LIMITED = 60.0  # seconds, for a limit without a stated end
#: GitHub's secondary rate limit may come without any header. This is in the URL of its explanation.
_SECONDARY = "secondary-rate-limit"


@dataclass(frozen=True)
class RestApi:
    """The API at `url`. `headers` go to every server, also after redirects; `credentials` only to this one."""

    name: str
    url: str
    headers: Mapping[str, str]
    credentials: Mapping[str, str]
    #: The settings key of the token.
    token: str

    def get(self, through: Through, path: str, *, end: bool = False) -> HttpResponse:
        """GET a path with its query. Wait for a rate limit that ends before the deadline.

        Only the beginning of a long answer is read, or its `end`. Raises NotRead, NoAnswer, and SourceError for any
        other answer than 200.
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
            raise SourceError(f"{self.name} keeps limiting requests (HTTP {answer.status})", "try again later")
        # Logs and artifacts come from another server, which does not get the token.
        own = urlsplit(answer.url).netloc == urlsplit(self.url).netloc
        if answer.status in (401, 403) and own:
            raise SourceError(
                f"{self.name} refuses the token (HTTP {answer.status})", f"check the secret that {self.token} names"
            )
        asked, settings = path.partition("?")[0][:200], self.token.rpartition(".")[0]
        if answer.status in (404, 410) or (answer.status != 200 and not own):
            raise NotRead(
                f"{self.name} answered {answer.status} to {asked}: it does not exist, or this token may not read it",
                f"check the names under {settings}, and what its token may read",
            )
        if answer.status != 200:
            raise SourceError(
                f"{self.name} answered {answer.status} to {asked} where 200 was expected",
                f"check the names under {settings}, and what its token may read",
            )
        return answer

    def json(self, through: Through, path: str) -> Any:
        """Return the JSON at a path. Raises like `get`, and Inconclusive when it is not JSON."""
        return self.get(through, path).json()

    def listed(
        self, through: Through, path: str, query: Mapping[str, str], member: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield each object of a list, page by page. If a page is an object, its `member` has the list.

        Raises like `get`, and SourceError when it is not a list, or has more than 100 pages.
        """
        path += "?" + urlencode({**query, "per_page": str(_PER_PAGE)})
        for _ in range(_MOST_PAGES):
            answer = self.get(through, path)
            page = answer.json()
            found = page.get(member) if member and isinstance(page, dict) else page
            if not isinstance(found, list):
                raise SourceError(f"{answer.url[:200]} did not return a list", "request the URL by hand, with curl")
            yield from (each for each in found if isinstance(each, dict))
            linked, own = next_page(answer, self.name), urlsplit(self.url)
            if linked is None or not found:
                return
            if (linked.scheme, linked.netloc) != (own.scheme, own.netloc) or not linked.path.startswith(own.path):
                raise SourceError(f"{self.name} names another server for its next page", "ask the server's owner")
            path = f"{linked.path.removeprefix(own.path)}?{linked.query}"
        raise SourceError(f"{self.name} returned a list of more than {_MOST_PAGES} pages", "ask the server's owner")


class Unread:
    """The items of a list that could not be read. They are reported, and do not stop the rest."""

    def __init__(self, remarks: list[str]) -> None:
        self._remarks = remarks
        self._first: RunbookError | None = None

    def noting(self, what: str, lines: Iterable[str]) -> list[str]:
        """Read `lines`. If they cannot be read, return none and add a remark."""
        try:
            return list(lines)
        except (NotRead, NoAnswer) as error:
            self._first = self._first or error
            self._remarks.append(f"{what} was not read: {error.seen}")
            return []

    def raise_first(self) -> None:
        """Raise the error of the first item that could not be read, if any."""
        if self._first is not None:
            raise self._first


def was_cut(answer: HttpResponse) -> bool:
    """Tell whether an answer was too long to be read completely."""
    return len(answer.content) >= LARGEST_BODY


def _limited(answer: HttpResponse) -> float | None:
    """Return the seconds until the next request is allowed; None if the answer is not a rate limit."""
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
