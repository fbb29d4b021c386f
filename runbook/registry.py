"""What the image registry knows: the digest behind a tag, and which tags there are.

Speaks the OCI distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md) with basic
authentication or the bearer tokens that Docker Hub, GHCR and GitLab hand out
(https://distribution.github.io/distribution/spec/auth/token/).
"""

import base64
import re
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic import SecretStr

from runbook.errors import Inconclusive, RegistryError, RegistryRefused, ReleaseNotFound
from runbook.probes import Answer, Prober
from runbook.release import ImageName, checked_digest

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_MOST_PAGES = 50


class Registry:
    """The image registry at one address."""

    def __init__(self, url: str, username: str | None, password: SecretStr | None, prober: Prober) -> None:
        self.url = url.rstrip("/")
        self._username = username
        self._password = password
        self._prober = prober

    @property
    def host(self) -> str:
        """Its name as it stands in image references."""
        return urlsplit(self.url).netloc

    def digest(self, image: ImageName) -> str:
        """The digest that the registry gives for `image` now.

        Raises ReleaseNotFound, RegistryRefused, or RegistryError when it cannot be asked.
        """
        answer = self._ask(image.repository, f"/v2/{image.repository}/manifests/{image.tag}", "HEAD")
        if answer.status == 404:
            known = self.tags(image.repository)
            raise ReleaseNotFound(
                f"the registry {self.host} has no {image.repository}:{image.tag}"
                f" (its tags: {', '.join(known[-8:]) or 'none'})",
                "name one of these with --to TAG",
            )
        self._expect_ok(answer)
        return checked_digest(answer.headers.get("docker-content-digest", ""), f"the registry {self.host}")

    def tags(self, repository: str) -> list[str]:
        """All tags of `repository`, sorted by name; an unknown repository has none."""
        tags: list[str] = []
        path = f"/v2/{repository}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            answer = self._ask(repository, path, "GET")
            if answer.status == 404:
                return []
            self._expect_ok(answer)
            page: Any = answer.json()
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

    def _ask(self, repository: str, path: str, method: str) -> Answer:
        headers = {"Accept": _MANIFESTS}
        try:
            answer = self._prober.send(method, self.url + path, headers | self._basic())
            if answer.status == 401 and "bearer" in answer.headers.get("www-authenticate", "").lower():
                token = self._token(answer.headers["www-authenticate"], repository)
                answer = self._prober.send(method, self.url + path, headers | {"Authorization": f"Bearer {token}"})
        except Inconclusive as error:
            raise RegistryError(
                f"the registry {self.host} cannot be reached: {error.seen}",
                "mend the way to it and try again",
            ) from None
        if answer.status in (401, 403):
            raise RegistryRefused(
                f"the registry {self.host} refuses the user {self._username or '(none)'} (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names",
            )
        return answer

    def _basic(self) -> dict[str, str]:
        if self._username is None or self._password is None:
            return {}
        pair = f"{self._username}:{self._password.get_secret_value()}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}

    def _token(self, challenge: str, repository: str) -> str:
        asked = dict(_CHALLENGE.findall(challenge))
        realm = asked.get("realm", "")
        # The password goes to the realm: never in the clear to a place that was not in the clear before.
        own, wanted = urlsplit(self.url), self._split(realm)
        in_the_clear_before = (wanted.scheme, wanted.hostname) == ("http", own.hostname) and own.scheme == "http"
        if wanted.scheme != "https" and not in_the_clear_before:
            raise RegistryRefused(
                f"the registry {self.host} wants a token from {realm!r}", "that is not an https address"
            )
        query = {"service": asked.get("service", ""), "scope": f"repository:{repository}:pull"}
        answer = self._prober.send("GET", f"{realm}?{urlencode(query)}", self._basic(), secret_answer=True)
        token = answer.json() if answer.status == 200 else {}
        found = (token.get("token") or token.get("access_token")) if isinstance(token, dict) else None
        if not found:
            raise RegistryRefused(
                f"the registry {self.host} gives the user {self._username or '(none)'} no token (HTTP {answer.status})",
                "check registry.username and the secret that registry.password names",
            )
        return str(found)

    def _split(self, address: str) -> SplitResult:
        try:
            return urlsplit(address)
        except ValueError:
            raise RegistryError(
                f"the registry {self.host} sends us to {address!r}, which is no address", "ask the registry's owner"
            ) from None

    def _expect_ok(self, answer: Answer) -> None:
        if answer.status != 200:
            raise RegistryError(
                f"{answer.url} answered {answer.status} where 200 was expected",
                "ask the registry's owner, or try again",
            )
