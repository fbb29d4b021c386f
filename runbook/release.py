"""A release: its tag, and the image and digest of each service."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook.errors import ProductionError, TargetError

# The grammar of image names (https://pkg.go.dev/github.com/distribution/reference).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def checked_tag(tag: str) -> str:
    """Return `tag` when it is a valid image tag. Raises TargetError otherwise."""
    if not _TAG.fullmatch(tag):
        raise TargetError(
            f"{tag!r} is not a valid image tag (letters, digits, . _ -, at most 128 characters)", "check the spelling"
        )
    return tag


@dataclass(frozen=True)
class ImageName:
    """The parts of an image reference, `registry/repository:tag`, as resolved by Compose."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, reference: str) -> "ImageName":
        """Parse a reference; no registry means `docker.io`. Raises ProductionError when it has no tag, or a digest.

        >>> str(ImageName.parse("redis:7"))
        'docker.io/library/redis:7'
        """
        name, at, _ = reference.partition("@")
        registry, path = _registry_and_path(name)
        repository, _, tag = path.rpartition(":")
        if not repository or not tag or at:
            raise ProductionError(
                f"the image {reference} has no tag, or is pinned by a digest",
                "take the tag from the env file; write in the Compose file: image: NAME:${IMAGE_TAG}",
            )
        return cls(registry, repository, tag)

    @property
    def name(self) -> str:
        """The reference without its tag."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"

    def at(self, digest: str) -> str:
        """Return the reference by digest, which unlike a tag cannot move."""
        return f"{self.name}@{digest}"

    def means(self, reference: str) -> bool:
        """Tell whether `reference` means this image. Docker omits `docker.io` and `library`."""
        name, _, tag = reference.rpartition(":")
        return tag == self.tag and _registry_and_path(name) == (self.registry, self.repository)

    def digest_among(self, known: Iterable[str]) -> str | None:
        """Return this repository's digest among the `name@digest` that a host has for an image, or None."""
        pairs = (found.partition("@") for found in known)
        mine = (self.registry, self.repository)
        return next((digest for name, _, digest in pairs if _registry_and_path(name) == mine), None)


#: A tag that nobody uses. Compose resolves the project with it, to show how images follow the tag variable.
PROBE = "rollback-runbook-probe"


@dataclass(frozen=True)
class TagForm:
    """The form of a service's image: the text before and after the value of the tag variable."""

    before: str
    after: str

    @classmethod
    def learned(cls, service: str, variable: str, image: str) -> "TagForm":
        """Return the form of an image that Compose resolved with PROBE in the variable.

        Raises ProductionError unless the variable sets the tag, and only the tag.
        """
        before, found, after = image.partition(PROBE)
        if not found:
            raise ProductionError(
                f"the image of {service} does not follow {variable}: it stays {image or 'unnamed'} whatever the tag",
                f"write in the Compose file: image: NAME:${{{variable}}}",
            )
        form = cls(before, after)
        if ":" not in before.rpartition("/")[2] or PROBE in after or "/" in after:
            raise ProductionError(
                f"{variable} sets more of {service}'s image than its tag: {form.shown(variable)}",
                f"put only the tag in the env file, and write in the Compose file: image: NAME:${{{variable}}}",
            )
        if "@" in before + after:
            raise ProductionError(
                f"the image of {service} is pinned by a digest beside {variable}: {form.shown(variable)}; another tag"
                " would not change it",
                f"write in the Compose file, without a digest: image: NAME:${{{variable}}}",
            )
        return form

    def shown(self, variable: str) -> str:
        """Return the image as written in the Compose file."""
        return f"{self.before}${{{variable}}}{self.after.replace(PROBE, f'${{{variable}}}')}"

    def value_in(self, reference: str) -> str | None:
        """Return the variable's value in an image of this form; None for another image.

        >>> TagForm("shop/api:", "").value_in("docker.io/shop/api:v2")
        'v2'
        """
        for before, image in ((self.before, reference), (_whole(self.before), _whole(reference))):
            if image.startswith(before) and image.endswith(self.after) and len(image) > len(before + self.after):
                return image[len(before) : len(image) - len(self.after)]
        return None


def _whole(name: str) -> str:
    return "/".join(_registry_and_path(name))


#: The names of Docker Hub in image references.
_DOCKER_HUB = ("docker.io", "index.docker.io")


def _registry_and_path(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = _DOCKER_HUB[0], name
    if first in _DOCKER_HUB:
        return _DOCKER_HUB[0], rest if "/" in rest else f"library/{rest}"
    return first, rest


#: Replaces the digest of an image that came from no registry: this prefix and the image's ID on the host.
LOCAL = "local:"


def digest_told(digest: str) -> str:
    """Return a recorded digest in words."""
    local = digest.removeprefix(LOCAL)
    return digest if local == digest else f"unknown: only the local id {local}"


@dataclass(frozen=True)
class Release:
    """A release: its tag, and the image and digest (`sha256:…`) of each service."""

    tag: str
    images: Mapping[str, ImageName]
    digests: Mapping[str, str]

    def pinned(self, service: str) -> str:
        """Return the image of `service` by digest."""
        return self.images[service].at(self.digests[service])

    @property
    def shown(self) -> str:
        """Its images by digest, each once, because services may share one."""
        return ", ".join(dict.fromkeys(self.pinned(service) for service in self.digests))

    def facts(self) -> dict[str, Any]:
        """Return the release in the journal's form."""
        images = {service: str(image) for service, image in self.images.items()}
        return {"tag": self.tag, "images": images, "digests": dict(self.digests)}


def checked_digest(digest: str, origin: str) -> str:
    """Return `digest` when it is a sha256 digest. Raises ProductionError, which names `origin`, otherwise."""
    if not _DIGEST.fullmatch(digest):
        raise ProductionError(f"{origin} gave {digest[:80]!r} where a sha256 digest was expected", "query it by hand")
    return digest
