"""The metrics page: readable with the bearer token, refused without it."""

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from runbook.actions import Check, Observation
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient


class Metrics:
    """The metrics page on the public address."""

    def __init__(self, http: HttpClient, url: str, token: SecretStr, deadline: float) -> None:
        """`deadline` is in seconds."""
        self._http = http
        self._url = url
        self._token = token
        self._deadline = deadline

    def check_with_token(self) -> Check:
        """Check that the page has at least one sample in Prometheus' text format when asked with the token."""

        def observe() -> Observation:
            answer = self._http.get(self._url, {"Authorization": f"Bearer {self._token.get_secret_value()}"})
            if answer.status != 200:
                refused = answer.status in (401, 403)
                return Observation(ok=False, seen=f"{self._url} answers {answer.status} to the token", final=refused)
            samples = count_samples(answer.body, self._url)
            return Observation(samples > 0, f"{self._url} gives {samples} samples")

        return Check(
            f"{self._url} to give metrics to the bearer of the token",
            observe,
            "check metrics.token in the settings against the one that the api uses",
            self._deadline,
        )

    def check_without_token(self) -> Check:
        """Check that the page answers 401 or 403 without the token."""

        def observe() -> Observation:
            answer = self._http.get(self._url)
            seen = f"{self._url} answers {answer.status} without the token"
            return Observation(answer.status in (401, 403), seen, final=answer.status == 200)

        return Check(
            f"{self._url} to refuse who has no token",
            observe,
            "metrics are open to everybody: close them",
            self._deadline,
        )


def count_samples(page: str, url: str) -> int:
    r"""Count the samples of a page in Prometheus' text format. Raises Inconclusive for another format.

    >>> count_samples("up 1\n", "http://shop/metrics")
    1
    """
    try:
        return sum(len(family.samples) for family in text_string_to_metric_families(page))
    except ValueError as error:
        raise Inconclusive(f"{url} is not in Prometheus' text format: {error}", "look at the page by hand") from None
