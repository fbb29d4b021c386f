"""The image registry: the digest behind a tag, and the tags of a repository.

It speaks the OCI distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md) with basic
authentication or the bearer tokens that Docker Hub, GHCR and GitLab hand out
(https://distribution.github.io/distribution/spec/auth/token/).
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from pydantic import SecretStr

from runbook.errors import Inconclusive, ProductionError, RegistryError, RegistryRefused, ReleaseNotFound
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.release import ImageName, checked_digest

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_MOST_PAGES = 50
_MOST_REDIRECTS = 5
_LARGEST_MANIFEST = 4 << 20  # bytes, as the specification has it
# A registry, or a proxy before it, may answer GET where it answers HEAD with one of these.
_ASK_WITH_GET = frozenset({200, 400, 404, 405, 501})
_ACCESS_DENIED = frozenset({401, 403})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORD = r"[\w!#$%&'*+.^`|~-]+"
# An unquoted value is such a word in the grammar; real servers write addresses there.
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*))', re.ASCII)
_SCHEME = re.compile(_WORD, re.ASCII)
_ENCODED = re.compile(r"[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$))", re.ASCII)
_BETWEEN = re.compile(r"[\s,]*")
_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")


class Registry:
    """The image registry at one address."""

    def __init__(self, url: str, username: str | None, password: SecretStr | None, http: HttpClient) -> None:
        self.url = url.rstrip("/")
        self._username = username
        self._password = password
        self._http = http

    @property
    def host(self) -> str:
        """Its name in image references."""
        return urlsplit(self.url).netloc

    def digest(self, image: ImageName) -> str:
        """Return the digest that the registry gives for `image` now, as `sha256:…`.

        Raises ReleaseNotFound, RegistryRefused, or RegistryError when it cannot be asked, or gives no digest.
        """
        path = f"/v2/{image.repository}/manifests/{image.tag}"
        answer = self._ask(image.repository, path, "HEAD")
        if answer.status == 200 and (stated := _digest_stated(answer)):
            return stated
        if answer.status in _ASK_WITH_GET:
            answer = self._ask(image.repository, path, "GET")
        if answer.status == 404:
            raise self._not_found(image)
        self._require_ok(answer)
        return self._digest_of(answer)

    def _digest_of(self, answer: HttpResponse) -> str:
        stated = _digest_stated(answer)
        if not _is_manifest(answer):
            if stated:  # worth as much as the same header on an answer to HEAD, which has no body either
                return stated
            raise RegistryError(
                f"{answer.url} gives no digest and no manifest (its Docker-Content-Digest is"
                f" {answer.headers.get('docker-content-digest', '')[:80]!r})",
                "ask the registry's owner what answers there",
            )
        counted = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if stated not in (None, counted):
            raise RegistryError(
                f"{answer.url} states the digest {stated} and gives a manifest whose digest is {counted}",
                "ask the registry's owner, or whoever runs the proxy before it",
            )
        return counted

    def _not_found(self, image: ImageName) -> RegistryError:
        try:
            known = self.tags(image.repository)
        except RegistryError as error:  # many registries do not let everybody list
            listed = f"its tags cannot be listed: {error.seen}"
        else:
            if image.tag in known:
                return RegistryError(
                    f"the registry {self.host} lists {image.repository}:{image.tag} and does not give it",
                    "ask the registry's owner: was its manifest removed?",
                )
            listed = f"its tags: {', '.join(known[-8:]) or 'none'}"
        return ReleaseNotFound(
            f"the registry {self.host} has no {image.repository}:{image.tag} ({listed})",
            "name one that it has with --to TAG",
        )

    def tags(self, repository: str) -> list[str]:
        """Return all tags of `repository`, sorted by name; none for an unknown repository.

        Raises RegistryRefused, or RegistryError when it cannot be asked.
        """
        tags: list[str] = []
        path = f"/v2/{repository}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            answer = self._ask(repository, path, "GET")
            if answer.status == 404:
                return []
            self._require_ok(answer)
            page = _json(answer)
            listed = (page.get("tags") or []) if isinstance(page, dict) else None
            if not isinstance(listed, list):
                raise RegistryError(f"{answer.url} lists no tags", "ask it by hand")
            tags += map(str, listed)
            following = re.search(r'<([^>]+)>;\s*rel="?next"?', answer.headers.get("link", ""))
            if not following:
                break
            linked = self._split(following[1])
            path = f"{linked.path}?{linked.query}"
        return sorted(tags)

    def _ask(self, repository: str, path: str, method: str) -> HttpResponse:
        headers = {"Accept": _MANIFESTS}
        try:
            answer = self._send(method, self.url + path, headers | self._basic())
            if answer.status == 401 and (token := self._token(answer.headers.get("www-authenticate", ""), repository)):
                answer = self._send(method, self.url + path, headers | {"Authorization": f"Bearer {token}"})
        except Inconclusive as error:
            raise RegistryError(
                f"the registry {self.host} cannot be reached: {error.seen}",
                "check the network and registry.url, then try again",
            ) from None
        if answer.status in _ACCESS_DENIED:
            raise RegistryRefused(
                f"the registry {self.host} refuses the user {self._username or '(none)'} (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names",
            )
        return answer

    def _send(self, method: str, url: str, headers: dict[str, str], *, secret_answer: bool = False) -> HttpResponse:
        # Redirects are followed as docker does: another server gets no credentials.
        for _ in range(_MOST_REDIRECTS):
            answer = self._http.send(method, url, headers, secret_answer=secret_answer)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            here, there = self._split(url), self._split(urljoin(url, location))
            if there.scheme != "https" and (here.scheme, there.scheme) != ("http", "http"):
                raise RegistryError(
                    f"the registry {self.host} sends us to {location[:200]!r}, which is not an https address",
                    "ask the registry's owner",
                )
            if (here.scheme, here.netloc) != (there.scheme, there.netloc):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = there.geturl()
        raise RegistryError(f"{url} is one redirect too many", "ask the registry's owner")

    def _basic(self) -> dict[str, str]:
        if self._username is None or self._password is None:
            return {}
        pair = f"{self._username}:{self._password.get_secret_value()}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}

    def _token(self, header: str, repository: str) -> str | None:
        """Fetch a bearer token from the realm in `header`; None when it asks for none."""
        bearers = [each.parameters for each in challenges_in(header) if each.scheme == "bearer"]
        if not bearers:
            return None
        realm = bearers[0].get("realm", "")
        # The password goes to the realm: never in the clear to a place that was not in the clear before.
        own, wanted = urlsplit(self.url), self._split(realm)
        in_the_clear_before = (wanted.scheme, wanted.hostname) == ("http", own.hostname) and own.scheme == "http"
        if wanted.scheme != "https" and not in_the_clear_before:
            raise RegistryRefused(
                f"the registry {self.host} wants a token from {realm[:200]!r}", "that is not an https address"
            )
        service = {"service": bearers[0]["service"]} if "service" in bearers[0] else {}
        query = urlencode(service | {"scope": f"repository:{repository}:pull"})
        address = wanted._replace(query="&".join(filter(None, (wanted.query, query))), fragment="").geturl()
        answer = self._send("GET", address, self._basic(), secret_answer=True)
        if answer.status in _ACCESS_DENIED | {400}:
            raise RegistryRefused(
                f"the registry {self.host} gives the user {self._username or '(none)'} no token (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names",
            )
        given = _json(answer) if answer.status == 200 else None
        found = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
        if not isinstance(found, str) or not _IN_A_HEADER.fullmatch(found):
            raise RegistryError(
                f"the token service of the registry {self.host} at {realm[:200]} gave no token (HTTP {answer.status})",
                "try again, or ask the registry's owner",
            )
        return found

    def _split(self, address: str) -> SplitResult:
        try:
            return urlsplit(address)
        except ValueError:
            raise RegistryError(
                f"the registry {self.host} sends us to {address[:200]!r}, which is no address",
                "ask the registry's owner",
            ) from None

    def _require_ok(self, answer: HttpResponse) -> None:
        if answer.status != 200:
            raise RegistryError(
                f"{answer.url} answered {answer.status} where 200 was expected",
                "ask the registry's owner, or try again",
            )


def _digest_stated(answer: HttpResponse) -> str | None:
    try:
        return checked_digest(answer.headers.get("docker-content-digest", ""), answer.url)
    except ProductionError:
        return None


def _is_manifest(answer: HttpResponse) -> bool:
    # A proxy may answer with a page of its own.
    if len(answer.content) > _LARGEST_MANIFEST:
        return False
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("schemaVersion") == 2


def _json(answer: HttpResponse) -> Any:
    try:
        return answer.json()
    except Inconclusive as error:
        raise RegistryError(error.seen, error.next_step) from None


@dataclass(frozen=True)
class Challenge:
    """One challenge: scheme and parameter names in lower case, values as they stand."""

    scheme: str
    parameters: Mapping[str, str]


def challenges_in(header: str) -> list[Challenge]:
    """Return the challenges of a `WWW-Authenticate` header in order, up to its first syntax error (RFC 9110, 11.6.1).

    Commas stand between challenges, between the parameters of one, and inside quotes.

    >>> [each.scheme for each in challenges_in('Basic realm="a, b", Bearer realm="https://x/token"')]
    ['basic', 'bearer']
    """
    found: list[tuple[str, dict[str, str]]] = []
    position = _end(_BETWEEN, header, 0)
    while position < len(header):
        if found and (pair := _PARAMETER.match(header, position)):
            name, quoted, plain = pair.groups()
            # Of a parameter that is there twice, the first counts.
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
