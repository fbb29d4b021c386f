"""The metrics page: readable, and refused without the bearer token if it has one."""

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from runbook.actions import Check, Observation, left_out
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient
from runbook.settings.absent import Absent


class Metrics:
    """The metrics page. `url` is None if the settings have none, `token` is None if the page is open."""

    def __init__(self, http: HttpClient, url: str | None, token: SecretStr | None, deadline: float) -> None:
        """`deadline` is in seconds."""
        self._http = http
        self._url = url
        self._token = token
        self._deadline = deadline

    def check_with_token(self) -> Check:
        """Check that the page, requested with the token if any, has at least one sample in Prometheus' text format."""
        url, token = self._url, self._token
        if url is None:
            return left_out("a page of metrics", Absent.METRICS)
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}

        def observe() -> Observation:
            answer = self._http.get(url, headers)
            if answer.status != 200:
                refused = answer.status in (401, 403)
                to = "with the token" if token else "without a token"
                return Observation(ok=False, seen=f"{url} answers {answer.status} {to}", final=refused)
            samples = count_samples(answer.body, url)
            return Observation(samples > 0, f"{url} gives {samples} samples")

        return Check(
            f"{url} to return metrics{' with the token' if token else ''}",
            observe,
            "compare metrics.token in the settings with the api's token",
            self._deadline,
        )

    def check_without_token(self) -> Check:
        """Check that the page answers 401 or 403 without the token."""
        url = self._url
        if url is None or self._token is None:
            return left_out(
                "a page that refuses requests without the token", Absent.METRICS_TOKEN if url else Absent.METRICS
            )

        def observe() -> Observation:
            answer = self._http.get(url)
            seen = f"{url} answers {answer.status} without the token"
            return Observation(answer.status in (401, 403), seen, final=answer.status == 200)

        return Check(
            f"{url} to refuse requests without the token",
            observe,
            "anybody can read the metrics: require the token",
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
        raise Inconclusive(f"{url} is not in Prometheus' text format: {error}", "open the page by hand") from None
