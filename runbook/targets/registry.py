"""The image registry: the digest behind a tag, and the tags of a repository.

It uses the OCI distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md) with basic
authentication, or with bearer tokens as on Docker Hub, GHCR and GitLab
(https://distribution.github.io/distribution/spec/auth/token/).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic import SecretStr

from runbook.errors import (
    Inconclusive,
    ProductionError,
    RegistryError,
    RegistryRefused,
    ReleaseNotFound,
    SourceError,
)
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.release import ImageName, checked_digest
from runbook.targets.challenges import challenges_in
from runbook.targets.docker_login import Login
from runbook.targets.redirects import follow, next_page, parts, unsigned

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_MOST_PAGES = 1000
_LARGEST_MANIFEST = 4 << 20  # bytes, by the specification
# A registry or its proxy that answers HEAD with one of these may still answer GET.
_ASK_WITH_GET = frozenset({200, 400, 404, 405, 501})
_HUB = "registry-1.docker.io"
_OWNER = "ask the registry's owner"
_ACCESS_DENIED = frozenset({401, 403})
_ODD_REFUSALS = frozenset({400, 403})  # ECR Public and GHCR
_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")


#: Docker Hub's name in image references, and the host of its API.
HUB, HUB_API = "docker.io", "registry-1.docker.io"


def address_of(image: ImageName) -> str:
    """Return the address of the registry in an image's name. On the local host docker uses plain HTTP.

    >>> address_of(ImageName.parse("shop/api:v1")), address_of(ImageName.parse("127.0.0.1:5000/api:v1"))
    ('https://registry-1.docker.io', 'http://127.0.0.1:5000')
    """
    host = HUB_API if image.registry == HUB else image.registry
    here = host.partition(":")[0] == "localhost" or host.startswith(("127.", "[::1]"))
    return f"{'http' if here else 'https'}://{host}"


def _nobody() -> Login | None:
    return None


def same_registry(host: str, registry: str) -> bool:
    """Tell whether images that name `registry` come from the one at `host`. Port 443 may be omitted."""
    registry = _HUB if registry == "docker.io" else registry
    return registry.removesuffix(":443") == host.removesuffix(":443")


class Registry:
    """The image registry at one address."""

    def __init__(
        self,
        url: str,
        username: str | None,
        password: SecretStr | None,
        http: HttpClient,
        login: Callable[[], Login | None] = _nobody,
    ) -> None:
        """`login` returns docker's login. It is called only without a username, when the registry requires a login."""
        address = urlsplit(url.rstrip("/"))
        # Docker Hub's registry does not answer under these names.
        self.url = f"https://{_HUB}" if address.netloc in ("docker.io", "index.docker.io") else address.geturl()
        self._login = Login(username, password) if username and password else None
        self._find_login = login
        self._http = http
        #: The headers that open each repository, as found after the registry's challenge.
        self._open: dict[str, dict[str, str]] = {}

    @property
    def host(self) -> str:
        """The registry's host, with its port."""
        return urlsplit(self.url).netloc

    def digest(self, image: ImageName) -> str:
        """Return the registry's current digest of `image`, as `sha256:…`.

        Raises ReleaseNotFound, RegistryRefused, or RegistryError when the registry cannot be read, or gives no digest.
        """
        found = self.digest_if_there(image)
        if found is None:
            raise self._not_found(image)
        return found

    def digest_if_there(self, image: ImageName) -> str | None:
        """Return the digest like `digest`, or None if there is no such image, without listing the tags.

        Raises RegistryRefused, or RegistryError.
        """
        path = f"/v2/{image.repository}/manifests/{image.tag}"
        answer = self._ask(image.repository, path, "HEAD")
        if answer.status == 200 and (stated := _digest_stated(answer)):
            return stated
        if answer.status in _ASK_WITH_GET:
            answer = self._ask(image.repository, path, "GET")
        if answer.status == 404:
            return None
        self._require_ok(answer)
        return self._digest_of(answer)

    def _digest_of(self, answer: HttpResponse) -> str:
        stated = _digest_stated(answer)
        if not _is_manifest(answer):
            if stated:  # as good as the same header on an answer to HEAD, which has no body either
                return stated
            raise RegistryError(
                f"{unsigned(answer.url)} gives no digest and no manifest (its Docker-Content-Digest is"
                f" {answer.headers.get('docker-content-digest', '')[:80]!r})",
                "ask the registry's owner what answers there",
            )
        counted = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if stated not in (None, counted):
            raise RegistryError(
                f"{unsigned(answer.url)} states the digest {stated}, but its manifest has the digest {counted}",
                "ask the owner of the registry, or of the proxy before it",
            )
        return counted

    def _not_found(self, image: ImageName) -> RegistryError:
        try:
            known = self.tags(image.repository)
        except RegistryError as error:  # many registries restrict listing
            listed = f"its tags cannot be listed: {error.seen}"
        else:
            if image.tag in known:
                return RegistryError(
                    f"the registry {self.host} lists {image.repository}:{image.tag}, but does not return it",
                    "ask the registry's owner: was its manifest removed?",
                )
            listed = f"its tags: {', '.join(known[-8:]) or 'none'}"
        return ReleaseNotFound(
            f"the registry {self.host} has no {image.repository}:{image.tag} ({listed})",
            "name one of its tags with --to TAG",
        )

    def tags(self, repository: str) -> list[str]:
        """Return all tags of `repository`, sorted by name; none for an unknown repository.

        Raises RegistryRefused, or RegistryError when the registry cannot be read.
        """
        tags: set[str] = set()
        path = f"/v2/{repository}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            answer = self._ask(repository, path, "GET")
            if answer.status == 404 and not tags:
                return []
            self._require_ok(answer)
            page = _json(answer)
            listed = (page.get("tags") or []) if isinstance(page, dict) else None
            if not isinstance(listed, list):
                raise RegistryError(f"{unsigned(answer.url)} did not return a list of tags", "query it by hand")
            new = {each for each in listed if isinstance(each, str)} - tags
            tags |= new
            following = self._next_page(answer)
            if following is None or not new:  # no new tags: the registry repeats the same page
                return sorted(tags)
            # Take only the path: behind a proxy a registry may give another address.
            path = f"{following.path}?{following.query}"
        raise RegistryError(
            f"the registry {self.host} lists {len(tags)} tags of {repository} on {_MOST_PAGES} pages, and more follow",
            _OWNER,
        )

    def manifest(self, repository: str, reference: str) -> tuple[str, dict[str, Any]]:
        """Return the digest and the manifest (or index) of a tag or digest.

        Raises ReleaseNotFound, RegistryRefused, or RegistryError.
        """
        answer = self._ask(repository, f"/v2/{repository}/manifests/{reference}", "GET")
        if answer.status == 404:
            raise ReleaseNotFound(f"the registry {self.host} has no {repository}:{reference}", "name another one")
        self._require_ok(answer)
        digest, found = self._digest_of(answer), _json(answer)
        if not isinstance(found, dict) or (reference.startswith("sha256:") and reference != digest):
            raise RegistryError(f"{unsigned(answer.url)} is not the requested manifest", "ask the registry's owner")
        return digest, found

    def blob(self, repository: str, digest: str) -> dict[str, Any]:
        """Return a JSON object, an image's configuration, by its digest. Raises RegistryRefused, or RegistryError."""
        answer = self._ask(repository, f"/v2/{repository}/blobs/{checked_digest(digest, self._named)}", "GET")
        self._require_ok(answer)
        found = _json(answer)
        if f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest or not isinstance(found, dict):
            raise RegistryError(f"{unsigned(answer.url)} is not the requested object", "ask the registry's owner")
        return found

    @property
    def _named(self) -> str:
        return f"the registry {self.host}"

    @property
    def _user(self) -> str:
        return (self._login.username if self._login else None) or "(none)"

    def _ask(self, repository: str, path: str, method: str) -> HttpResponse:
        credentials = self._open.get(repository) or (self._login.basic() if self._login else {})
        try:
            answer = self._send(method, self.url + path, credentials)
            if answer.status in _ODD_REFUSALS and credentials:
                # Some registries with tokens answer a password or an expired token like this, without a challenge.
                unasked = self._send(method, self.url + path, {})
                answer = unasked if unasked.status in (200, 401) else answer
            if answer.status == 401 and (opens := self._opening(answer, repository)):
                answer = self._send(method, self.url + path, opens)
                self._open[repository] = opens
        except Inconclusive as error:
            raise RegistryError(
                f"the registry {self.host} cannot be reached: {unsigned(error.seen)}",
                "check the network and registry.url, then try again",
            ) from None
        if answer.status in _ACCESS_DENIED:
            raise RegistryRefused(
                f"the registry {self.host} refuses the user {self._user} (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names, or `docker login`",
            )
        return answer

    def _opening(self, refused: HttpResponse, repository: str) -> dict[str, str]:
        """Return the headers to retry the request with; empty if a retry would not help."""
        known = self._login is not None
        self._login = self._login or self._find_login()
        header = refused.headers.get("www-authenticate", "")
        if token := self._token(header, repository):
            return {"Authorization": f"Bearer {token}"}
        wants_basic = any(each.scheme == "basic" for each in challenges_in(header))
        return self._login.basic() if self._login and not known and wants_basic else {}

    def _send(
        self, method: str, url: str, credentials: Mapping[str, str], *, secret_answer: bool = False
    ) -> HttpResponse:
        headers = {"Accept": _MANIFESTS}
        try:
            return follow(self._http, method, url, headers, credentials, whose=self._named, secret_answer=secret_answer)
        except SourceError as error:
            raise RegistryError(error.seen, error.next_step) from None

    def _token(self, header: str, repository: str) -> str | None:
        """Fetch a bearer token from the realm in `header`; None if the header does not ask for a token."""
        bearers = [each.parameters for each in challenges_in(header) if each.scheme == "bearer"]
        if not bearers:
            return None
        realm = bearers[0].get("realm", "")
        # The password goes to the realm. Plain HTTP is allowed only to the same host, already addressed by plain HTTP.
        own, wanted = urlsplit(self.url), self._parts(realm)
        in_the_clear_before = (wanted.scheme, wanted.hostname) == ("http", own.hostname) and own.scheme == "http"
        if wanted.scheme != "https" and not in_the_clear_before:
            raise RegistryRefused(
                f"the registry {self.host} sends logins to {realm[:200]!r}, which is not an https address", _OWNER
            )
        asked = {"service": bearers[0]["service"]} if "service" in bearers[0] else {}
        asked["scope"] = f"repository:{repository}:pull"
        if self._login and self._login.is_token:
            form = {**asked, **self._login.refreshing()}
            answer = self._http.send("POST", wanted._replace(fragment="").geturl(), form=form, secret_answer=True)
        else:
            query = "&".join(filter(None, (wanted.query, urlencode(asked))))
            address = wanted._replace(query=query, fragment="").geturl()
            answer = self._send("GET", address, self._login.basic() if self._login else {}, secret_answer=True)
        if answer.status in _ACCESS_DENIED | {400}:
            raise RegistryRefused(
                f"the registry {self.host} refuses a token to the user {self._user} (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names, or `docker login`",
            )
        given = _json(answer) if answer.status == 200 else None
        found = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
        if not isinstance(found, str) or not _IN_A_HEADER.fullmatch(found):
            raise RegistryError(
                f"the token service of the registry {self.host} at {realm[:200]} gave no token (HTTP {answer.status})",
                "try again, or ask the registry's owner",
            )
        return found

    def _parts(self, address: str) -> SplitResult:
        try:
            return parts(address, self._named)
        except SourceError as error:
            raise RegistryError(error.seen, error.next_step) from None

    def _next_page(self, answer: HttpResponse) -> SplitResult | None:
        try:
            return next_page(answer, self._named)
        except SourceError as error:
            raise RegistryError(error.seen, error.next_step) from None

    def _require_ok(self, answer: HttpResponse) -> None:
        if answer.status != 200:
            raise RegistryError(
                f"{unsigned(answer.url)} answered {answer.status} where 200 was expected",
                "ask the registry's owner, or try again",
            )


def _digest_stated(answer: HttpResponse) -> str | None:
    try:
        return checked_digest(answer.headers.get("docker-content-digest", ""), unsigned(answer.url))
    except ProductionError:
        return None


def _is_manifest(answer: HttpResponse) -> bool:
    # A proxy may answer with its own page.
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
