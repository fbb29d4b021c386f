"""GitHub Actions as a source, tested against GitHub's own description of its API."""

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import SourceError
from runbook.settings.target_sources import GitHubSource
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.sources.github import GitHubRuns
from tests.support.github_actions import TOKEN, GitHubActions
from tests.support.parts import Asked, Heard, Reply, Server, serving
from tests.support.target_parts import DIGEST, through, wanted

LOG = "2025-12-20T10:00:00.1234567Z pushed \x1b[32mregistry.example/shop/api:v{}@" + DIGEST + "\x1b[0m\n"
PATTERN = r"pushed (?P<image>\S+):(?P<tag>[\w.]+)@(?P<digest>sha256:\w+)"


@contextmanager
def github(actions: GitHubActions) -> Iterator[tuple[Server, Server]]:
    """Yield servers for this GitHub and for its storage of logs and artifacts."""
    with serving(actions.answer) as server, serving(actions.stored) as storage:
        actions.url, actions.storage = server.url, storage.url.replace("127.0.0.1", "localhost")
        yield server, storage


def source(url: str, **settings: Any) -> GitHubRuns:
    given = {"api_url": url, "repository": "shop/shop", "workflow": "deploy.yml", "pattern": PATTERN}
    found = GitHubSource.model_validate({**given, "token": {"env": "CI_TOKEN"}, **settings})
    return GitHubRuns(found, SecretStr(TOKEN), "targets.github.token", wanted())


def candidates(actions: GitHubActions, heard: Heard | None = None, **settings: Any) -> list[Candidate]:
    with github(actions) as (server, _), through(heard=heard) as looking:
        return list(source(server.url, **settings).candidates(looking))


def test_newest_successful_runs_are_read_page_by_page() -> None:
    """Each log of the named job gives a tag, its digest and its run, the newest run first."""
    actions = GitHubActions({number: LOG.format(number) for number in (9, 8, 7, 5, 3)})
    found = candidates(actions, job="deploy", means="deployed")
    assert [each.tag for each in found] == ["v9", "v8", "v7", "v5", "v3"]
    assert found[0].digests == {"api": DIGEST}
    assert found[0].kind is Kind.DEPLOYED
    assert found[0].time is not None
    assert found[0].time.isoformat() == "2025-12-09T10:00:00+00:00"
    assert found[0].evidence == "deployed: run 9 of deploy.yml succeeded"


def test_token_and_signed_addresses_stay_where_they_belong() -> None:
    """The storage server gets no token, and each log is fetched once from its signed URL."""
    actions = GitHubActions({1: LOG.format(1)})
    with github(actions) as (_, storage), through() as looking:
        assert list(source(actions.url, job="deploy").candidates(looking))
    assert [asked.path for asked in storage.asked] == ["/logs/10?signature=signed-canary"]
    assert "authorization" not in storage.asked[0].headers


def packed(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_artifact_is_read_and_an_expired_one_is_not() -> None:
    """Releases are read from the files of the named artifact; an expired one of that name is skipped."""
    found = candidates(
        GitHubActions(artifacts={4: packed(release=LOG.format(4)), 2: packed(other="nothing", release=LOG.format(2))}),
        read="artifact",
        artifact="release",
    )
    assert [each.tag for each in found] == ["v4", "v2"]


def test_artifact_that_unpacks_without_end_is_cut() -> None:
    """Of a compressed file that expands a thousandfold, only the beginning is unpacked."""
    bomb = packed(release=" " * 20_000_000 + LOG.format(4))
    began = time.monotonic()
    assert candidates(GitHubActions(artifacts={4: bomb}), read="artifact", artifact="release") == []
    assert time.monotonic() - began < 5


def test_artifact_that_is_no_archive_is_told() -> None:
    """An artifact that is not a readable archive is an error of the source."""
    with pytest.raises(SourceError, match="not a readable archive"):
        candidates(GitHubActions(artifacts={4: b"PK\x03\x04"}), read="artifact", artifact="release")


def test_notice_and_title_are_read() -> None:
    """A job's notice or a run's title can name the release too."""
    pattern = r"(?:Deploy|released) (?P<tag>v\d+)"
    notices = GitHubActions(notices={4: "released v4"})
    assert [each.tag for each in candidates(notices, read="notice", job="deploy", pattern=pattern)] == ["v4"]
    titles = GitHubActions(logs={6: "", 5: ""})
    assert [each.tag for each in candidates(titles, read="title", pattern=pattern)] == ["v6", "v5"]


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}])
def test_rate_limit_is_waited_for(headers: dict[str, str]) -> None:
    """A rate limit that ends before the deadline is waited for."""
    actions = GitHubActions({1: LOG.format(1)}, refusals=[Reply(403, {}, headers)])
    assert [each.tag for each in candidates(actions)] == ["v1"]


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "3600"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(2**31)}]
)
def test_rate_limit_is_not_waited_for_past_the_deadline(headers: dict[str, str]) -> None:
    """A rate limit that ends after the deadline is an error at once."""
    began = time.monotonic()
    with pytest.raises(SourceError, match="limits requests"):
        candidates(GitHubActions({1: ""}, refusals=[Reply(403, {}, headers)]))
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(Reply(401), "refuses the token", id="401"),
        pytest.param(Reply(403), "refuses the token", id="403"),
        pytest.param(Reply(404), "answered 404 to /repos/shop/shop/actions/workflows/deploy.yml/runs", id="404"),
        pytest.param(Reply(200, {"workflow_runs": 7}), "did not return a list", id="no-list"),
        pytest.param(Reply(200, {"workflow_runs": [{"id": "../x"}]}), "without an id", id="no-id"),
        pytest.param(
            Reply(200, {"workflow_runs": [{"id": 1}]}, {"Link": '<https://elsewhere.example/>; rel="next"'}),
            "another server",
            id="next-page-elsewhere",
        ),
        pytest.param(Reply(302, headers={"Location": "ftp://x.example/"}), "not an https", id="redirect-to-nowhere"),
    ],
)
def test_answer_that_is_no_help_is_told(reply: Reply, said: str) -> None:
    """An unusable answer is an error with the reason, and without the token."""
    pattern = r"(?P<tag>nothing)"
    with pytest.raises(SourceError, match=said) as caught:
        candidates(GitHubActions({1: ""}, refusals=[reply]), read="title", pattern=pattern)
    assert TOKEN not in str(caught.value)


def test_pattern_that_fits_nowhere_is_told() -> None:
    """A source without any release gives a remark that no line matches the pattern."""
    actions = GitHubActions({1: "nothing"})
    with github(actions) as (server, _), through() as looking:
        asked = source(server.url)
        assert list(asked.candidates(looking)) == []
    assert "has a line that matches the pattern" in asked.remarks[0]


def test_run_whose_log_is_gone_stops_no_other() -> None:
    """A run whose log was deleted gives a remark, and earlier runs are read."""
    actions = GitHubActions({number: LOG.format(number) for number in (3, 2, 1)})

    def answer(asked: Asked) -> Reply:
        return Reply(410, {"message": "Gone"}) if "/jobs/30/logs" in asked.path else actions.answer(asked)

    with serving(answer) as server, serving(actions.stored) as storage, through() as looking:
        actions.url, actions.storage = server.url, storage.url
        asked = source(server.url, job="deploy")
        assert [each.tag for each in asked.candidates(looking)] == ["v2", "v1"]
    (remark,) = asked.remarks
    assert remark.startswith("run 3 was not read: GitHub answered 410 to /repos/shop/shop/actions/jobs/30/logs: ")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_log_that_its_server_does_not_give_is_no_refused_token(status: int) -> None:
    """An error of the storage server loses one log; it does not count as a refused token."""
    actions = GitHubActions({number: LOG.format(number) for number in (2, 1)})

    def stored(asked: Asked) -> Reply:
        return Reply(status) if "/20?" in asked.path else actions.stored(asked)

    with serving(actions.answer) as server, serving(stored) as storage, through() as looking:
        actions.url, actions.storage = server.url, storage.url
        assert [each.tag for each in source(server.url, job="deploy").candidates(looking)] == ["v1"]


def test_log_whose_server_is_down_stops_no_other() -> None:
    """A log whose server is down gives a remark, and the other logs are read."""
    actions = GitHubActions({number: LOG.format(number) for number in (2, 1)})

    def answer(asked: Asked) -> Reply:
        gone = Reply(302, headers={"Location": "http://127.0.0.1:1/log?signature=canary"})
        return gone if "/jobs/20/logs" in asked.path else actions.answer(asked)

    with serving(answer) as server, serving(actions.stored) as storage, through() as looking:
        actions.url, actions.storage = server.url, storage.url
        asked = source(server.url, job="deploy")
        assert [each.tag for each in asked.candidates(looking)] == ["v1"]
    assert "run 2 was not read: http://127.0.0.1:1/log" in asked.remarks[0]


@pytest.mark.parametrize("cut", [-40, 40], ids=["cut off", "bytes changed"])
def test_artifact_that_is_broken_stops_no_other(cut: int) -> None:
    """A damaged artifact is left out, and those of earlier runs are read."""
    whole = packed(release="".join(LOG.format(number) for number in range(50, 99)))
    broken = whole[:cut] if cut < 0 else whole[:cut] + b"\xff" * 20 + whole[cut + 20 :]
    artifacts = {4: broken, 2: packed(release=LOG.format(2))}
    found = candidates(GitHubActions(artifacts=artifacts), read="artifact", artifact="release")
    assert [each.tag for each in found] == ["v2"]


def test_folders_of_an_artifact_are_not_its_files() -> None:
    """Folders in an artifact do not count for the limit of files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(30):
            archive.mkdir(f"folder{number}")
        archive.writestr("../../release", LOG.format(4))
    found = candidates(GitHubActions(artifacts={4: content.getvalue()}), read="artifact", artifact="release")
    assert [each.tag for each in found] == ["v4"]


def test_end_of_a_long_log_is_read() -> None:
    """Of a long log only the end is read, without its incomplete first line."""
    pushed = "pushed registry.example/shop/api:v1@" + DIGEST + "\n"
    log = pushed + "-" * 99 + "\n" + ("x" * 79 + "\n") * 120_000 + LOG.format(2)
    with github(GitHubActions({7: log})) as (server, _), through() as looking:
        asked = source(server.url, job="deploy")
        assert [each.tag for each in asked.candidates(looking)] == ["v2"]
    assert asked.remarks == ["the log of job 70 is too long: only its end was read"]


def test_pull_request_from_a_fork_names_no_release() -> None:
    """Runs of pull requests from forks are ignored: anyone can name a fork's branch `main`."""
    actions = GitHubActions({3: LOG.format(3), 2: LOG.format(2)})

    def answer(asked: Asked) -> Reply:
        reply = actions.answer(asked)
        for run in reply.body.get("workflow_runs", []) if isinstance(reply.body, dict) else []:
            if run["id"] == 3:
                run |= {"event": "pull_request", "head_repository": None}
        return reply

    with serving(answer) as server, serving(actions.stored) as storage, through() as looking:
        actions.url, actions.storage = server.url, storage.url
        assert [each.tag for each in source(server.url, job="deploy").candidates(looking)] == ["v2"]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        pytest.param(429, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}, {}, id="date"),
        pytest.param(429, {"Retry-After": "\u00b2"}, {}, id="no number"),
        pytest.param(429, {"X-RateLimit-Reset": "\u00b2", "Retry-After": "soon"}, {}, id="no number either"),
        pytest.param(403, {"X-RateLimit-Remaining": "0"}, {}, id="without an end"),
        pytest.param(
            403, {},
            {"documentation_url": "https://docs.github.com/rest/overview/rate-limits#about-secondary-rate-limits"},
            id="second kind",
        ),
    ],
)  # fmt: skip
def test_rate_limit_is_told_as_one(status: int, headers: dict[str, str], body: Any) -> None:
    """A rate limit in any form is reported as a rate limit, not as a refused token."""
    with pytest.raises(SourceError, match="limits requests"):
        candidates(GitHubActions({1: ""}, refusals=[Reply(status, body, headers)]))
