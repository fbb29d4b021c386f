"""Images on the host as a source, as the engine lists them."""

import json
from typing import Any

import pytest

from runbook.errors import RunbookError
from runbook.targets.candidate import Candidate
from runbook.targets.sources.host_images import HostImages
from tests.support.engine_server import FakeEngine
from tests.support.target_parts import DIGEST, through, wanted


def image(tag: str, day: int, *, service: str = "api", digest: str | None = DIGEST) -> dict[str, Any]:
    name = f"registry.example/shop/{service}"
    return {
        "Id": f"sha256:{service}{day}", "RepoTags": [f"{name}:{tag}", "unrelated:latest"],
        "RepoDigests": [f"{name}@{digest}"] if digest else None, "Created": f"2025-12-{day:02}T10:00:00.123456789Z",
        "Os": "linux", "Architecture": "amd64",
    }  # fmt: skip


def candidates(images: Any, *, engine: FakeEngine | None = None) -> list[Candidate]:
    held = {each["Id"]: each for each in images} if engine is None else {}
    engine = engine or FakeEngine(images=held)
    with through(environment=engine.environment) as looking:
        return list(HostImages(wanted(pattern="v.*")).candidates(looking))


def test_releases_are_told_by_their_images_tags() -> None:
    """The images of all services give one release with platform and digests, the newest build first."""
    images = [image("v1", 1), image("v1", 1, service="jobs", digest=None), image("v2", 2), image("latest", 3)]
    found = candidates([*images, {"Id": "sha256:none", "RepoTags": None}])
    assert [each.tag for each in found] == ["v2", "v1"]
    assert found[1].digests == {"api": DIGEST}
    assert found[1].platforms == ("linux/amd64",)
    assert found[1].evidence == "built: the host has its image of api, jobs"
    assert found[1].copies
    assert found[0].time is not None
    assert found[0].time.isoformat() == "2025-12-02T10:00:00.123456+00:00"


def test_only_images_of_releases_are_inspected() -> None:
    """Of the host's images, only those of releases are inspected."""
    engine = FakeEngine(images={f"x:{number}": {"Id": f"sha256:{number}", "RepoTags": ["x:1"]} for number in range(9)})
    engine.images["sha256:api1"] = image("v1", 1)
    assert [each.tag for each in candidates((), engine=engine)] == ["v1"]
    assert sum("/images/sha256" in path for path in engine.asked) == 1


def test_host_without_images_has_none() -> None:
    """A host without images has no releases."""
    assert candidates([]) == []


@pytest.mark.parametrize("answer", [["x"], [[]], [{"RepoTags": "x"}], {}, None, b"{", b"<html>"])
def test_answer_in_another_form_is_told(answer: Any) -> None:
    """An answer that is not a list of images is an error of the source."""
    instead = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    engine = FakeEngine(instead=lambda path: instead if path.startswith("/images/json") else None)
    with pytest.raises(RunbookError):
        candidates((), engine=engine)
