"""The registry's tags as a source, with answers that no real registry gives (real ones: tests/engine)."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from runbook.errors import ProductionError, RegistryError, SourceError
from runbook.targets.candidate import Candidate
from runbook.targets.registry import Registry
from runbook.targets.sources.registry_tags import RegistryTags
from tests.support.parts import Asked, Reply, serving
from tests.support.target_parts import through, wanted

CONFIGURATION = {"os": "linux", "architecture": "amd64", "created": "2025-12-15T10:00:00Z"}


def digest(content: Any) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"


def manifest(configuration: Any = CONFIGURATION) -> dict[str, Any]:
    return {"schemaVersion": 2, "config": {"digest": digest(configuration)}}


def answering(found: Any, *objects: Any, tags: Any = ("v1",)) -> Callable[[Asked], Reply]:
    """Return a registry where every tag gives `found`, with more manifests and blobs by digest."""
    known = {digest(each): each for each in objects}

    def answer(asked: Asked) -> Reply:
        name = urlsplit(asked.path).path.rpartition("/")[2]
        if name == "list":
            return Reply(200, {"tags": list(tags)})
        return (
            Reply(200, known[name])
            if name in known
            else Reply(404)
            if name.startswith("sha256:")
            else Reply(200, found)
        )

    return answer


def candidates(answer: Callable[[Asked], Reply], deadline: float = 10.0, **more: Any) -> list[Candidate]:
    with serving(answer) as server, through(deadline) as looking:
        name = urlsplit(server.url).netloc
        source = RegistryTags(
            lambda through: Registry(server.url, "deploy", SecretStr("canary-4711"), through.http),
            name,
            wanted(name, jobs="", **more),
            "linux/amd64",
        )
        return list(source.candidates(looking))


def test_configuration_tells_when_an_image_was_built_and_for_what() -> None:
    """Without annotations, build time and platform come from the image's configuration."""
    (found,) = candidates(answering(manifest(), CONFIGURATION))
    assert found.time is not None
    assert found.time.isoformat() == "2025-12-15T10:00:00+00:00"
    assert found.platforms == ("linux/amd64",)
    assert found.digests == {"api": digest(manifest())}


def test_configuration_may_lie_elsewhere_and_the_password_does_not_go_there() -> None:
    """A configuration on another server is fetched from there, without the password."""
    with serving(lambda _asked: Reply(200, CONFIGURATION)) as storage:
        elsewhere = storage.url.replace("127.0.0.1", "localhost") + "/blob?signature=x"

        def answer(asked: Asked) -> Reply:
            if "/blobs/" in asked.path:
                return Reply(307, headers={"Location": elsewhere})
            return answering(manifest())(asked)

        (found,) = candidates(answer)
    assert found.time is not None
    assert "authorization" not in storage.asked[0].headers


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"schemaVersion": 2}, id="no-configuration"),
        pytest.param({"schemaVersion": 2, "config": 7}, id="configuration-no-object"),
        pytest.param({"schemaVersion": 2, "config": {"digest": 7}}, id="digest-no-text"),
        pytest.param({"schemaVersion": 2, "manifests": 7}, id="index-no-list"),
        pytest.param(
            {"schemaVersion": 2, "manifests": [7, {"platform": 7}, {"platform": {"os": 7}}]}, id="odd-members"
        ),
        pytest.param({"schemaVersion": 2, "manifests": [], "annotations": 7}, id="annotations-no-object"),
        pytest.param(
            {"schemaVersion": 2, "manifests": [{"platform": {"os": "unknown", "architecture": "unknown"}}]},
            id="only-a-statement-of-origin",
        ),
    ],
)
def test_image_in_an_odd_form_is_of_unknown_age(odd: Any) -> None:
    """An image without a readable build time is still a candidate."""
    (found,) = candidates(answering(odd))
    assert (found.time, found.platforms) == (None, ())


@pytest.mark.parametrize("created", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "yesterday", 7, "9" * 100])
def test_time_that_is_none_is_not_known(created: Any) -> None:
    """A meaningless build time, as in reproducible builds, counts as unknown."""
    configuration = CONFIGURATION | {"created": created}
    (found,) = candidates(answering(manifest(configuration), configuration))
    assert found.time is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answering(manifest(), tags=("v1",)), id="configuration-missing"),
        pytest.param(answering({"schemaVersion": 2, "config": {"digest": "sha256:../x"}}), id="digest-hostile"),
        pytest.param(answering("no manifest"), id="no-manifest"),
        pytest.param(
            answering({"schemaVersion": 2, "manifests": [{"platform": CONFIGURATION, "digest": "../../x"}]}),
            id="digest-in-an-index-hostile",
        ),
        pytest.param(
            lambda asked: Reply(200, {"os": "x"}) if "/blobs/" in asked.path else answering(manifest())(asked),
            id="another-configuration",
        ),
    ],
)
def test_answer_that_contradicts_itself_is_told(answer: Callable[[Asked], Reply]) -> None:
    """An answer that does not match its digest is an error."""
    with pytest.raises((RegistryError, ProductionError)):
        candidates(answer)


def test_tag_that_is_no_image_stops_no_other() -> None:
    """A tag that cannot be read as an image is left out."""

    def answer(asked: Asked) -> Reply:
        return (
            Reply(200, b"broken")
            if asked.path.endswith("/v3")
            else answering({"schemaVersion": 2}, tags=("v1", "v3"))(asked)
        )

    assert [each.tag for each in candidates(answer)] == ["v1"]


def test_hostile_tags_are_left_out() -> None:
    """Invalid tags are left out."""
    found = candidates(
        answering({"schemaVersion": 2}, tags=["v1", "../../x", "v2;reboot", "", None, "v" * 300, {"v": 1}])
    )
    assert [each.tag for each in found] == ["v1"]


def test_slow_registry_ends_at_the_deadline() -> None:
    """After the deadline, no further tag is requested."""
    with pytest.raises(SourceError, match="deadline"):
        candidates(answering({"schemaVersion": 2}, tags=[f"v{number}" for number in range(500)]), 0.05, newest=500)


CACHE = {
    "schemaVersion": 2,
    "manifests": [
        {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": "sha256:" + "0" * 64, "size": 1},
        {"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": "sha256:" + "1" * 64, "size": 1},
    ],
}
CHART = manifest() | {
    "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(CONFIGURATION)}
}


@pytest.mark.parametrize("other", [CACHE, CHART], ids=["build cache", "chart"])
def test_what_is_no_image_is_no_release(other: Any) -> None:
    """A build cache or a chart among the tags is not a release."""

    def answer(asked: Asked) -> Reply:
        name = urlsplit(asked.path).path.rpartition("/")[2]
        return (
            Reply(200, other) if name == "cache" else answering(manifest(), CONFIGURATION, tags=("v1", "cache"))(asked)
        )

    assert [each.tag for each in candidates(answer)] == ["v1"]
    with pytest.raises(RegistryError, match="it is not an image, but application/vnd"):
        candidates(answering(other, CONFIGURATION))


def test_tags_that_count_are_looked_at_however_old() -> None:
    """Tags that must be known (failed or requested) are read, however old they are."""
    answer = answering(manifest(), CONFIGURATION, tags=[f"v{number}" for number in range(50)])
    found = candidates(answer, newest=2, looked_at=frozenset({"v7", "v99"}))
    assert [each.tag for each in found] == ["v49", "v48", "v7"]


def test_repository_without_a_release_is_told() -> None:
    """A repository without tags gives a remark, because its name may be misspelt."""
    with serving(lambda _asked: Reply(404)) as server, through() as looking:
        name = urlsplit(server.url).netloc
        source = RegistryTags(
            lambda through: Registry(server.url, None, None, through.http), name, wanted(name), "linux/amd64"
        )
        assert list(source.candidates(looking)) == []
    assert source.remarks == ["none of the 0 tags of shop/api is a release"]


def test_image_that_another_service_lacks_costs_one_request() -> None:
    """A release whose image another service lacks does not cause a listing of that service's tags."""
    answer = answering(manifest(), CONFIGURATION, tags=[f"v{number}" for number in range(5)])

    def of_api(asked: Asked) -> Reply:
        return Reply(404) if "/shop/jobs/" in asked.path else answer(asked)

    with serving(of_api) as server, through() as looking:
        name = urlsplit(server.url).netloc
        source = RegistryTags(
            lambda through: Registry(server.url, None, None, through.http), name, wanted(name), "linux/amd64"
        )
        assert [each.lacks for each in source.candidates(looking)] == [("jobs",)] * 5
    assert [asked.path for asked in server.asked if "list" in asked.path] == ["/v2/shop/api/tags/list?n=1000"]


def test_images_in_an_index_are_told() -> None:
    """A candidate has the digests of the images in its index, because they may have tags too."""
    one = {"digest": digest(manifest()), "platform": {"os": "linux", "architecture": "amd64"}}
    (found,) = candidates(answering({"schemaVersion": 2, "manifests": [one]}, manifest(), CONFIGURATION))
    assert found.members == (digest(manifest()),)
