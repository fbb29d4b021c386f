"""What a release is: a tag, the image and digest of each service, and the Alembic head that its code expects."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook.errors import ProductionError, TargetError

# The grammar of image names (https://pkg.go.dev/github.com/distribution/reference).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def checked_tag(tag: str) -> str:
    """Return `tag` when it can be one. Raises TargetError otherwise."""
    if not _TAG.fullmatch(tag):
        raise TargetError(
            f"{tag!r} cannot be an image tag (letters, digits, . _ - and at most 128 of them)", "check the spelling"
        )
    return tag


@dataclass(frozen=True)
class ImageName:
    """An image reference in its parts: `registry/repository:tag`, as Compose resolved it."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, reference: str) -> "ImageName":
        """Split a reference; no registry means `docker.io`. Raises ProductionError when it has no tag."""
        name, at, _ = reference.partition("@")
        registry, path = _registry_and_path(name)
        repository, _, tag = path.rpartition(":")
        if not repository or not tag or at:
            raise ProductionError(
                f"the image {reference} names no tag that could be exchanged",
                "let the Compose file take the tag from the env file: image: NAME:${IMAGE_TAG}",
            )
        return cls(registry, repository, tag)

    @property
    def name(self) -> str:
        """The reference without its tag."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"

    def at(self, digest: str) -> str:
        """The reference by digest, which no one can move."""
        return f"{self.name}@{digest}"

    def means(self, reference: str) -> bool:
        """Tell whether `reference` is a way to write this name: Docker leaves `docker.io` and `library` out."""
        name, _, tag = reference.rpartition(":")
        return tag == self.tag and _registry_and_path(name) == (self.registry, self.repository)

    def digest_among(self, known: Iterable[str]) -> str | None:
        """Of the `name@digest` by which a host knows an image, the digest in this repository, if there is one."""
        pairs = (found.partition("@") for found in known)
        mine = (self.registry, self.repository)
        return next((digest for name, _, digest in pairs if _registry_and_path(name) == mine), None)


#: Stands in the tag variable's place to learn how images are made from it; a valid tag, and nobody's.
PROBE = "rollback-runbook-probe"


@dataclass(frozen=True)
class TagForm:
    """How a service's image is made from the tag variable: what stands before the variable's value, and behind it."""

    before: str
    after: str

    @classmethod
    def learned(cls, service: str, variable: str, image: str) -> "TagForm":
        """The form of an image that Compose gave with PROBE in the variable. Raises ProductionError when it has none.

        A release is named by its tag. So the variable must decide the tag, alone, and no digest may stand beside it.
        """
        before, found, after = image.partition(PROBE)
        if not found:
            raise ProductionError(
                f"the image of {service} does not follow {variable}: it stays {image or 'unnamed'} whatever the tag",
                f"let the Compose file say image: NAME:${{{variable}}}",
            )
        form = cls(before, after)
        if ":" not in before.rpartition("/")[2] or PROBE in after or "/" in after:
            raise ProductionError(
                f"{variable} decides more of {service}'s image than its tag: {form.shown(variable)}",
                f"let the env file hold the tag alone, and the Compose file say image: NAME:${{{variable}}}",
            )
        if "@" in before + after:
            raise ProductionError(
                f"the image of {service} is fixed by a digest beside {variable}: {form.shown(variable)}; another tag"
                " would not change it",
                f"let the Compose file say image: NAME:${{{variable}}}, without a digest",
            )
        return form

    def shown(self, variable: str) -> str:
        """The image as the Compose file means it."""
        return f"{self.before}${{{variable}}}{self.after.replace(PROBE, f'${{{variable}}}')}"

    def value_in(self, reference: str) -> str | None:
        """The variable's value in an image of this form; None for another image."""
        for before, image in ((self.before, reference), (_whole(self.before), _whole(reference))):
            if image.startswith(before) and image.endswith(self.after) and len(image) > len(before + self.after):
                return image[len(before) : len(image) - len(self.after)]
        return None


def _whole(name: str) -> str:
    return "/".join(_registry_and_path(name))


def _registry_and_path(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (("." in first) or (":" in first) or first == "localhost"):
        return first, rest
    return "docker.io", name if slash else f"library/{name}"


@dataclass(frozen=True)
class Release:
    """A release: its tag, and for each service its image and that image's digest."""

    tag: str
    images: Mapping[str, ImageName]
    digests: Mapping[str, str]

    def pinned(self, service: str) -> str:
        """The image of `service`, named by digest."""
        return self.images[service].at(self.digests[service])

    def facts(self) -> dict[str, object]:
        """The release as the journal keeps it."""
        images = {service: str(image) for service, image in self.images.items()}
        return {"tag": self.tag, "images": images, "digests": dict(self.digests)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Release":
        """The release that `facts` were written from."""
        images = {service: ImageName.parse(image) for service, image in facts["images"].items()}
        return cls(facts["tag"], images, dict(facts["digests"]))


def checked_digest(digest: str, origin: str) -> str:
    """Return `digest` when it is one. Raises ProductionError, naming `origin`, otherwise."""
    if not _DIGEST.fullmatch(digest):
        raise ProductionError(f"{origin} gave {digest[:80]!r} where a sha256 digest was expected", "ask it by hand")
    return digest
