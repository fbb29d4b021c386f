"""HTTP redirects, followed as by docker: no credentials for another server, and no step from https to http."""

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urljoin, urlsplit

from runbook.errors import SourceError
from runbook.hosts.http import HttpClient, HttpResponse

_MOST_REDIRECTS = 5
_OWNER = "ask the server's owner"
#: A link with its parameters (RFC 8288), and the words of its `rel`.
_LINK = re.compile(r'<([^<>\s]{1,4096})>((?:[^,"<>]|"[^"]*")*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
#: The signed query of a URL that is valid for a short time.
_SIGNED = re.compile(r"\?[^\s'\"]{1,4096}")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def follow(  # noqa: PLR0913 - a request has these parts
    http: HttpClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    credentials: Mapping[str, str],
    *,
    whose: str,
    secret_answer: bool = False,
    end: bool = False,
) -> HttpResponse:
    """Send a request without a body. `credentials` are headers for that server only; `whose` names the server in words.

    `secret_answer` and `end` are as for HttpClient.send. Raises NoAnswer, and SourceError for bad redirects, or too
    many.
    """
    for _ in range(_MOST_REDIRECTS):
        answer = http.send(method, url, {**headers, **credentials}, secret_answer=secret_answer, end=end)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        here, there = parts(url, whose), parts(_joined(url, location, whose), whose)
        if there.scheme != "https" and (here.scheme, there.scheme) != ("http", "http"):
            raise SourceError(
                f"{whose} redirects to {unsigned(location)[:200]!r}, which is not an https address",
                "ask the server's owner",
            )
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            credentials = {}
        url = there.geturl()
    raise SourceError(f"{whose} redirects too often, last to {unsigned(url)[:200]}", _OWNER)


def next_page(answer: HttpResponse, whose: str) -> SplitResult | None:
    """Return the parts of the next page's URL from the Link header; None for the last page.

    Raises SourceError when it is not a URL.
    """
    for link in _LINK.finditer(answer.headers.get("link", "")):
        rel = _REL.search(link[2])
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            return parts(_joined(answer.url, link[1], whose), whose)
    return None


def unsigned(text: str) -> str:
    """Return `text` without the queries of its URLs, because a signed URL is a secret."""
    return _SIGNED.sub("?…", text)


def parts(address: str, whose: str) -> SplitResult:
    """Return the parts of a URL from a server. Raises SourceError when it is not a URL."""
    try:
        return urlsplit(address)
    except ValueError:
        raise _no_address(address, whose) from None


def _joined(url: str, location: str, whose: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _no_address(location, whose) from None


def _no_address(address: str, whose: str) -> SourceError:
    return SourceError(
        f"{whose} redirects to {unsigned(address)[:200]!r}, which is not a URL", "ask the server's owner"
    )
