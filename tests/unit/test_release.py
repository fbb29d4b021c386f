"""Releases: the parts of image names, and tags and digests that are safe in commands."""

import pytest

from runbook.errors import ProductionError, TargetError
from runbook.incident.production_facts import ReleaseFact
from runbook.release import PROBE, ImageName, Release, TagForm, checked_digest, checked_tag

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64


@pytest.mark.parametrize(
    ("reference", "registry", "repository", "tag"),
    [
        pytest.param("shop:1", "docker.io", "library/shop", "1", id="official"),
        pytest.param("acme/shop:1", "docker.io", "acme/shop", "1", id="hub"),
        pytest.param("docker.io/acme/shop:1", "docker.io", "acme/shop", "1", id="hub-by-name"),
        pytest.param("docker.io/shop:1", "docker.io", "library/shop", "1", id="official-by-name"),
        pytest.param("index.docker.io/shop:1", "docker.io", "library/shop", "1", id="official-by-another-name"),
        pytest.param("index.docker.io/acme/shop:1", "docker.io", "acme/shop", "1", id="hub-by-another-name"),
        pytest.param("docker.io/library/shop:1", "docker.io", "library/shop", "1", id="official-in-full"),
        pytest.param("ghcr.io/acme/shop/api:1", "ghcr.io", "acme/shop/api", "1", id="host"),
        pytest.param("localhost/shop:1", "localhost", "shop", "1", id="localhost"),
        pytest.param("127.0.0.1:5000/shop/api:v1.2", "127.0.0.1:5000", "shop/api", "v1.2", id="port"),
        pytest.param("registry:5000/shop:1", "registry:5000", "shop", "1", id="port-without-dot"),
    ],
)
def test_image_name_is_split(reference: str, registry: str, repository: str, tag: str) -> None:
    """A reference is split as Docker splits it."""
    assert ImageName.parse(reference) == ImageName(registry, repository, tag)


@pytest.mark.parametrize(
    "reference",
    ["", "shop", "acme/shop", "registry:5000/shop", f"shop@{DIGEST}", f"shop:1@{DIGEST}", "shop:"],
    ids=["empty", "official", "hub", "only-a-port", "digest", "tag-and-digest", "empty-tag"],
)
def test_image_without_a_tag_to_exchange_is_refused(reference: str) -> None:
    """An image without a tag, or with a digest, is refused with the form that the Compose file should have."""
    with pytest.raises(ProductionError, match="has no tag, or is pinned by a digest") as caught:
        ImageName.parse(reference)
    assert "${IMAGE_TAG}" in caught.value.next_step


def test_image_name_is_put_together_again() -> None:
    """A parsed name can be written by tag and by digest."""
    image = ImageName.parse("127.0.0.1:5000/shop/api:v1")
    assert str(image) == "127.0.0.1:5000/shop/api:v1"
    assert image.at(DIGEST) == f"127.0.0.1:5000/shop/api@{DIGEST}"


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        pytest.param("ghcr.io/acme/api:1", f"ghcr.io/acme/api@{DIGEST}", id="host"),
        pytest.param("acme/api:1", f"acme/api@{DIGEST}", id="hub-as-the-engine-writes-it"),
        pytest.param("docker.io/acme/api:1", f"acme/api@{DIGEST}", id="hub-by-name"),
        pytest.param("redis:7", f"redis@{DIGEST}", id="official-as-the-engine-writes-it"),
        pytest.param("127.0.0.1:5000/api:1", f"127.0.0.1:5000/api@{DIGEST}", id="port"),
    ],
)
def test_own_digest_is_found_among_those_of_the_host(reference: str, known: str) -> None:
    """Of the digests that the host has for an image, that of its own repository is found, also for Docker Hub."""
    others = [f"elsewhere.example/acme/api@{OTHER}", f"acme/api-old@{OTHER}"]
    image = ImageName.parse(reference)
    assert image.digest_among([*others, known]) == DIGEST
    assert image.digest_among(others) is None
    assert image.digest_among([]) is None


@pytest.mark.parametrize(
    ("reference", "written"),
    [
        pytest.param("acme/api:1", "docker.io/acme/api:1", id="hub"),
        pytest.param("docker.io/acme/api:1", "acme/api:1", id="hub-by-name"),
        pytest.param("redis:7", "docker.io/library/redis:7", id="official"),
        pytest.param("127.0.0.1:5000/api:1", "127.0.0.1:5000/api:1", id="port"),
    ],
)
def test_one_image_written_in_two_ways_is_one(reference: str, written: str) -> None:
    """An image name with and without Docker's default registry means the same image."""
    assert ImageName.parse(reference).means(written)


@pytest.mark.parametrize(
    "other", ["acme/api:2", "ghcr.io/acme/api:1", "api:1", "acme/api", f"acme/api@{DIGEST}", DIGEST, ""]
)
def test_another_image_is_another(other: str) -> None:
    """Another tag, repository or registry, a digest or an ID is another image."""
    assert not ImageName.parse("acme/api:1").means(other)


@pytest.mark.parametrize("tag", ["v1", "2025-12-18-rc1", "_x", "A.b-c_d", "a" * 128])
def test_tags_pass(tag: str) -> None:
    """Every tag that Docker accepts is valid."""
    assert checked_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "",
        ".v1",
        "-v1",
        "a" * 129,
        "v1\n",
        "v1 ",
        "v 1",
        "a/b",
        "a:b",
        "../etc",
        "$(id)",
        "v1;id",
        "é",
        "v1\x00",
        "--help",
    ],
    ids=ascii,
)
def test_what_cannot_be_a_tag_is_refused(tag: str) -> None:
    """Text that could be something else in a command or a path is not a valid tag."""
    with pytest.raises(TargetError, match="is not a valid image tag"):
        checked_tag(tag)


@pytest.mark.parametrize(
    "digest",
    ["", "latest", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), DIGEST + "\n", " " + DIGEST, "sha512:" + "0" * 128],
    ids=["empty", "word", "short", "long", "upper-case", "line-break", "blank", "sha512"],
)
def test_what_cannot_be_a_digest_is_refused(digest: str) -> None:
    """An invalid digest is refused with the registry that gave it."""
    with pytest.raises(ProductionError, match=r"registry\.example gave"):
        checked_digest(digest, "registry.example")


def test_digest_passes() -> None:
    """A valid digest is returned unchanged."""
    assert checked_digest(DIGEST, "x") == DIGEST


def test_release_survives_the_journal() -> None:
    """A release that is read back from its facts is equal, and has the same references by digest."""
    release = Release("v1", {"api": ImageName.parse("ghcr.io/acme/api:v1")}, {"api": DIGEST})
    assert ReleaseFact.of(release).release() == release
    assert release.pinned("api") == f"ghcr.io/acme/api@{DIGEST}"


@pytest.mark.parametrize(
    ("image", "value", "reference"),
    [
        pytest.param("r.example/shop/api:{}", "2025-12-rc1", "r.example/shop/api:2025-12-rc1", id="tag"),
        pytest.param("r.example/shop/api:v{}", "1.2.3", "r.example/shop/api:v1.2.3", id="prefix"),
        pytest.param("r.example/shop:{}-api", "rc1", "r.example/shop:rc1-api", id="suffix"),
        pytest.param("r.example:5000/shop:v{}-api", "1", "r.example:5000/shop:v1-api", id="both"),
        pytest.param("shop/api:{}", "rc1", "docker.io/shop/api:rc1", id="hub-by-name"),
        pytest.param("docker.io/library/api:{}", "rc1", "api:rc1", id="official"),
    ],
)
def test_tag_in_other_forms(image: str, value: str, reference: str) -> None:
    """The variable's value is found from an image, with any text before and after the variable."""
    assert TagForm.learned("api", "VERSION", image.format(PROBE)).value_in(reference) == value


@pytest.mark.parametrize("reference", ["r.example/shop/jobs:v1", "r.example/shop/api:1", "r.example/shop/api:v", "api"])
def test_image_of_another_form_has_no_value(reference: str) -> None:
    """An image that the Compose file cannot give has no value."""
    assert TagForm.learned("api", "VERSION", f"r.example/shop/api:v{PROBE}").value_in(reference) is None


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param("r.example/shop/api:v1.2.3", "does not follow VERSION: it stays r.example", id="fixed"),
        pytest.param("", "does not follow VERSION: it stays unnamed", id="built"),
        pytest.param(PROBE, "more of api's image than its tag: ${VERSION}", id="whole-reference"),
        pytest.param(f"r.example/{PROBE}/api:1", "more of api's image than its tag", id="repository"),
        pytest.param(f"r.example/api:{PROBE}-{PROBE}", "more of api's image than its tag: r.example/api:${VERSION}-${V",
                     id="twice"),
        pytest.param(f"r.example/api:{PROBE}@{DIGEST}", "pinned by a digest beside VERSION", id="digest"),
    ],
)  # fmt: skip
def test_tag_that_cannot_be_exchanged_is_refused_for_the_true_reason(image: str, words: str) -> None:
    """The refusal says which rule fails: the variable decides the tag and only the tag, without a digest."""
    with pytest.raises(ProductionError) as caught:
        TagForm.learned("api", "VERSION", image)
    assert words in caught.value.seen
    assert "NAME:${VERSION}" in caught.value.next_step
