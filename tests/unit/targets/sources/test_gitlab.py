"""GitLab CI as a source: answers as in https://docs.gitlab.com/api/pipelines/ and /api/jobs/."""

from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import SourceError
from runbook.settings.target_sources import GitLabSource
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.sources.gitlab import GitLabJobs
from tests.support.parts import Asked, Reply, Server, serving
from tests.support.target_parts import DIGEST, through, wanted

TOKEN = "ci-canary-4711"
PROJECT = "/api/v4/projects/shop%2Fshop"
TRACE = "section_start:1\r\x1b[0Krelease v{} api " + DIGEST + "\n"
PATTERN = r"release (?P<tag>v\d+) (?P<service>\w+) (?P<digest>\S+)"


def pipeline(number: int) -> dict[str, Any]:
    return {
        "id": number, "iid": number, "project_id": 1, "status": "success", "source": "push", "ref": "main",
        "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a", "name": "Deploy",
        "web_url": f"https://gitlab.example.com/shop/shop/pipelines/{number}",
        "created_at": "2025-12-15T10:00:00.000Z", "updated_at": "2025-12-15T10:10:00.000Z",
    }  # fmt: skip


def job(number: int, name: str) -> dict[str, Any]:
    return {
        "id": number, "name": name, "stage": "deploy", "status": "success", "ref": "main", "tag": False,
        "created_at": f"2025-12-{number:02}T10:00:00.000Z", "started_at": f"2025-12-{number:02}T10:01:00.000Z",
        "finished_at": f"2025-12-{number:02}T10:02:00.000Z", "pipeline": {"id": number, "ref": "main"},
    }  # fmt: skip


def answering(*numbers: int, refusals: list[Reply] | None = None) -> Any:
    """Return a GitLab with a pipeline per number, the newest first, two on each page."""
    waiting = list(refusals or [])

    def answer(asked: Asked) -> Reply:
        assert asked.headers["private-token"] == TOKEN
        assert asked.path.startswith(PROJECT)
        if waiting:
            return waiting.pop(0)
        rest, _, query = asked.path.removeprefix(PROJECT).partition("?")
        match rest.split("/")[1:]:
            case ["pipelines"]:
                assert "ref=main&order_by=id&sort=desc" in query
                page = int(query.partition("&page=")[2] or 1)
                here = f"http://{asked.headers['host']}{PROJECT}/pipelines?{query.partition('&page=')[0]}"
                more = {"Link": f'<{here}&page={page + 1}>; rel="next"'} if page * 2 < len(numbers) else {}
                return Reply(200, list(map(pipeline, numbers[page * 2 - 2 : page * 2])), more)
            case ["pipelines", number, "jobs"]:
                assert query.startswith("scope%5B%5D=success")
                return Reply(200, [job(int(number) + 100, "test"), job(int(number), "deploy")])
            case ["jobs", number, "trace"]:
                return Reply(200, TRACE.format(number).encode())
            case ["jobs", number, "artifacts", "out", "release.txt"]:
                return Reply(200, f"release v{number} jobs {DIGEST}\n".encode())
        return Reply(404, {"message": "404 Not Found"})

    return answer


def candidates(answer: Any, **settings: Any) -> tuple[list[Candidate], Server]:
    with serving(answer) as server, through() as looking:
        given = {"url": server.url, "project": "shop/shop", "job": "deploy", "pattern": PATTERN, **settings}
        found = GitLabSource.model_validate({**given, "token": {"env": "CI_TOKEN"}})
        asked = GitLabJobs(found, SecretStr(TOKEN), "targets.gitlab.token", wanted())
        return list(asked.candidates(looking)), server


def test_newest_successful_jobs_are_read_page_by_page() -> None:
    """The log of each pipeline's named job gives a tag, a digest and a time."""
    found, _ = candidates(answering(9, 7, 5, 3), means="deployed")
    assert [each.tag for each in found] == ["v9", "v7", "v5", "v3"]
    assert found[0].digests == {"api": DIGEST}
    assert (found[0].kind, found[0].evidence) == (Kind.DEPLOYED, "deployed: job 9 (deploy) succeeded")
    assert found[0].time is not None
    assert found[0].time.isoformat() == "2025-12-09T10:02:00+00:00"


def test_artifact_file_is_read_in_place_of_the_log() -> None:
    """A file of the job's artifacts can name the release instead of the log."""
    found, _ = candidates(answering(4), artifact="out/release.txt")
    assert found[0].digests == {"jobs": DIGEST}


def test_token_is_not_sent_where_files_are_kept() -> None:
    """A job's log may be on another server, which gets no token."""
    with serving(lambda _asked: Reply(200, TRACE.format(4).encode())) as storage:
        elsewhere = storage.url.replace("127.0.0.1", "localhost") + "/trace"

        def answer(asked: Asked) -> Reply:
            found: Reply = answering(4)(asked)
            return Reply(302, headers={"Location": elsewhere}) if asked.path.endswith("/trace") else found

        found, _ = candidates(answer)
    assert [each.tag for each in found] == ["v4"]
    assert "private-token" not in storage.asked[0].headers


def test_rate_limit_is_waited_for_or_told() -> None:
    """A rate limit is waited for, or is an error if it ends after the deadline."""
    assert len(candidates(answering(4, refusals=[Reply(429, headers={"RateLimit-Reset": "1"})]))[0]) == 1
    with pytest.raises(SourceError, match="GitLab limits requests"):
        candidates(answering(4, refusals=[Reply(429, headers={"Retry-After": "900"})]))


@pytest.mark.parametrize(
    ("reply", "said"),
    [(Reply(401), "refuses the token"), (Reply(404), "answered 404"), (Reply(200, {}), "did not return a list")],
)
def test_answer_that_is_no_help_is_told(reply: Reply, said: str) -> None:
    """An unusable answer is an error with the reason."""
    with pytest.raises(SourceError, match=said):
        candidates(answering(4, refusals=[reply]))


def test_job_whose_log_is_gone_stops_no_other() -> None:
    """A job without its log is left out; it is an error only if no job has one."""
    full = answering(4, 3)

    def answer(asked: Asked) -> Reply:
        found: Reply = full(asked)
        return Reply(404, {"message": "404 Not Found"}) if "/jobs/4/" in asked.path else found

    assert [each.tag for each in candidates(answer)[0]] == ["v3"]
    with pytest.raises(SourceError, match="answered 404"):
        candidates(answering(4, 3), artifact="no/such/file")


def test_end_of_a_long_log_is_read() -> None:
    """A release at the end of a 12 MB log is found."""

    def answer(asked: Asked) -> Reply:
        log = TRACE.format(1) + ("x" * 99 + "\n") * 120_000 + TRACE.format(4)
        found: Reply = answering(4)(asked)
        return Reply(200, log.encode()) if asked.path.endswith("/trace") else found

    assert [each.tag for each in candidates(answer)[0]] == ["v4"]


def test_pipelines_without_the_job_are_not_looked_through_for_ever() -> None:
    """After 50 pipelines without the job the search ends with a remark."""
    full = answering(*range(99, 0, -1))

    def answer(asked: Asked) -> Reply:
        found: Reply = full(asked)
        return Reply(200, [job(1, "test")]) if asked.path.partition("?")[0].endswith("/jobs") else found

    with serving(answer) as server, through() as looking:
        given = {"url": server.url, "project": "shop/shop", "job": "deploy", "pattern": PATTERN}
        settings = GitLabSource.model_validate({**given, "token": {"env": "CI_TOKEN"}})
        source = GitLabJobs(settings, SecretStr(TOKEN), "targets.gitlab.token", wanted())
        assert list(source.candidates(looking)) == []
    assert source.remarks[0] == "only its newest 50 pipelines were read"
