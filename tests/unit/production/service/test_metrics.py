"""Metrics: a page in Prometheus format that opens with the token, and with nothing else."""

import pytest
from pydantic import SecretStr

from runbook.errors import Inconclusive
from runbook.polling import wait_for
from runbook.production.service.metrics import Metrics, count_samples
from tests.support.parts import Asked, Reply, asking, serving

TOKEN = "canary-4711"
PAGE = b"""\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{method="GET",path="/orders"} 1027 1395066363000
http_requests_total{method="POST",path="/or\\"ders"} 3
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 2
latency_seconds_bucket{le="+Inf"} 3
latency_seconds_sum 0.4
latency_seconds_count 3
up NaN
"""


def guarded(asked: Asked) -> Reply:
    return Reply(200, PAGE) if asked.headers.get("authorization") == f"Bearer {TOKEN}" else Reply(401)


def looked(answer: Reply, *, with_token: bool) -> tuple[bool, str]:
    """Return what a check sees if every request gets this answer."""
    with serving(lambda _asked: answer) as server, asking() as http:
        metrics = Metrics(http, f"{server.url}/metrics", SecretStr(TOKEN), 0.1)
        found = wait_for(metrics.check_with_token() if with_token else metrics.check_without_token())
    return found.seen.ok, found.seen.seen


def test_samples_are_counted() -> None:
    """Every sample of every family counts."""
    assert count_samples(PAGE.decode(), "http://x/metrics") == 7


@pytest.mark.parametrize("page", ["", "\n\n", "# HELP a b\n"], ids=repr)
def test_page_without_samples_has_none(page: str) -> None:
    """A page of comments has no samples."""
    assert count_samples(page, "http://x/metrics") == 0


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("<!DOCTYPE html><html><body>It works!</body></html>", id="html"),
        pytest.param('{"up": 1}', id="json"),
        pytest.param('a{b="c} 1', id="label-never-closed"),
        pytest.param("a one", id="value-no-number"),
        pytest.param("\x00\xff", id="bytes"),
    ],
)
def test_what_is_no_metrics_page_is_not_known(page: str) -> None:
    """A page in another format is inconclusive, and the message has the URL."""
    with pytest.raises(Inconclusive, match="http://x/metrics is not in Prometheus' text format"):
        count_samples(page, "http://x/metrics")


def test_token_opens_and_its_absence_does_not() -> None:
    """The page opens with the token and is refused without it."""
    with serving(guarded) as server, asking() as http:
        metrics = Metrics(http, f"{server.url}/metrics", SecretStr(TOKEN), 0.1)
        scraped, refused = wait_for(metrics.check_with_token()), wait_for(metrics.check_without_token())
    assert scraped.seen.ok
    assert "7 samples" in scraped.seen.seen
    assert refused.seen.ok
    assert [asked.headers.get("authorization") for asked in server.asked] == [f"Bearer {TOKEN}", None]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        pytest.param(Reply(401), "answers 401 with the token", id="token-refused"),
        pytest.param(Reply(404), "answers 404 with the token", id="no-page"),
        pytest.param(Reply(302, headers={"Location": "/login"}), "answers 302 with the token", id="sent-to-a-login"),
        pytest.param(Reply(200, b"# HELP a b\n"), "0 samples", id="no-samples"),
        pytest.param(Reply(200, b"<html>"), "not in Prometheus' text format", id="another-page"),
    ],
)
def test_page_that_the_token_does_not_open_is_told(answer: Reply, seen: str) -> None:
    """If the token opens no page with samples, the answer is reported without the token."""
    ok, said = looked(answer, with_token=True)
    assert not ok
    assert seen in said
    assert TOKEN not in said


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
def test_only_a_refusal_is_a_refusal(status: int) -> None:
    """Without the token only 401 and 403 are good; a page, a redirect or an outage proves nothing."""
    assert not looked(Reply(status, PAGE), with_token=False)[0]
    assert looked(Reply(403), with_token=False)[0]
